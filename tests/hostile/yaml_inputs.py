"""Generate scenario, sweep, calibration and sensitivity files and load them; run as a script by `supervised`.

    python yaml_inputs.py FOLDER SEED START STOP

One line an input: number, how it was made, outcome. One in ten is valid, written in another way, and must load; two in
ten are garbage as text; the others are the files that ship with some leaves and branches changed.
"""

from __future__ import annotations

import json
import random
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from supervised import leave, limited, ring, say
from trees import block, leaf, reshape, routes

import small_calibration
import small_sweep
from tumorsim.calibration.config import load_calibration
from tumorsim.scenario import load
from tumorsim.spatial_scenario import load_spatial
from tumorsim.sweep.config import load_sweep
from tumorsim.yamlio import ScenarioError, parse

SCENARIOS = Path(__file__).parents[2] / "scenarios"
HANG, SLOW, LARGE = 30, 1.0, 200  # seconds of the wall, seconds of the processor, MB
LOADERS: dict[str, Callable[[Path], Any]] = {
    "scenario": load,
    "spatial": load_spatial,
    "sweep": load_sweep,
    "sensitivity": partial(load_sweep, sampled=True),
    "calibration": load_calibration,
}
PIECES = (
    *(
        "a",
        "disease",
        "hcc",
        "arms",
        "scenario",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "  ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        '"',
    ),
    *("#", "|", ">", "&x ", "*x", "!t ", "!!python/name:os.system ", "%", "? ", "---\n", "...\n", "1", "-", "\t", "\\"),
    *("@", "`", "~", "<<: ", "null", "1e5", "é", "0x", "extends: ", "study.yaml", "\u2028", "\x85", "\ufeff", "\r"),
)


def sources(folder: Path) -> dict[str, list[tuple[str, Any]]]:
    """Files that load, by loader: (text, tree); copies of all lie in the folder."""
    for path in sorted(SCENARIOS.rglob("*.yaml")):
        here = folder / path.relative_to(SCENARIOS)
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(path.read_bytes())
    small_sweep.write(folder, name="small_sweep.yaml")
    small_calibration.write(folder)
    found: dict[str, list[tuple[str, Any]]] = {}
    for kind, loader in LOADERS.items():
        for path in sorted(folder.rglob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            try:
                loader(path)
            except ScenarioError:
                continue
            found.setdefault(kind, []).append((text, parse(text, path.name).plain()))
    return found


def garbage(luck: random.Random, text: str) -> tuple[str, bytes]:
    """What is no file of ours."""
    what = luck.randrange(5)
    if what == 0:
        return "pieces", "".join(luck.choice(PIECES) for _ in range(luck.randrange(1, 200))).encode()
    if what == 1:
        return "bytes", luck.randbytes(luck.randrange(0, 400))
    if what == 2:
        return "cut", text.encode()[: luck.randrange(len(text))]
    if what == 3:
        content = bytearray(text.encode())
        for _ in range(luck.randrange(1, 6)):
            content[luck.randrange(len(content))] = luck.choice([luck.randrange(256), *b" :-{}[]#'\"\n\t&*!|>%"])
        return "flipped", bytes(content)
    lines = text.splitlines(keepends=True)
    for _ in range(luck.randrange(1, 5)):
        line = lines.pop(luck.randrange(len(lines)))
        lines.insert(luck.randrange(len(lines) + 1), luck.choice(["", line, line + line, "  " + line, line.lstrip()]))
    return "lines", "".join(lines).encode()


def made(luck: random.Random, held: list[tuple[str, Any]], words: list[str]) -> tuple[str, bytes, bool]:
    """How it was made, the text, and whether it must load."""
    text, tree = luck.choice(held)
    turn = luck.random()
    if turn < 0.2:
        return (*garbage(luck, text), False)
    tree = json.loads(json.dumps(tree))
    if turn < 0.3:
        keys = list(tree)
        luck.shuffle(keys)
        if "seed" in tree:
            tree["seed"] = luck.randrange(2**31)
        tree["title"] = luck.choice(["é × 3", "plain", "x" * 60])
        tree = {key: tree[key] for key in ["title", *keys] if key in tree}
        return "valid", block(tree, luck).encode(), True
    how = leaf if turn < 0.75 else reshape
    for _ in range(luck.choice((1, 1, 1, 2, 3, 8))):
        tree = how(luck, tree, words)
        if not isinstance(tree, dict | list):
            break
    try:
        text = block(tree, luck) if luck.random() < 0.8 else json.dumps(tree, indent=1, ensure_ascii=False)
        return how.__name__, text.encode(), False
    except UnicodeEncodeError:
        return how.__name__, json.dumps(tree, indent=1).encode(), False


def peak(reset: bool = False) -> float:
    """Most memory since the last reset, in MB; 0 where Linux does not tell."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return float(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def outcome(call: Callable[[], Any], error: type[Exception], must_load: bool = False) -> str:
    """What comes of reading an input, and what it costs."""
    before, begun = peak(reset=True), time.process_time()
    try:
        call()
        result = "loaded"
    except error as refusal:
        said = str(refusal)
        clear = 0 < len(said) < 60_000 and all(sign.isprintable() or sign == "\n" for sign in said)
        result = "refused" if clear else f"UNCLEAR {said[:80]!r}"
        if must_load:
            result = f"UNLOADED {said[:200]!r}"
    except Exception as other:
        result = f"UNCLEAN {type(other).__name__} {str(other)[:120]!r}"
    seconds, grown = time.process_time() - begun, peak() - before
    if result in ("loaded", "refused") and seconds > SLOW:
        result = f"SLOW {seconds:.1f} s"
    if result in ("loaded", "refused") and grown > LARGE:
        result = f"LARGE {grown:.0f} MB"
    return result


def main(folder: Path, seed: int, start: int, stop: int) -> None:
    limited()
    warnings.simplefilter("error", RuntimeWarning)
    held = sources(folder)
    kinds = list(held)
    words = sorted(
        {str(route[-1]) for files in held.values() for _, tree in files for route in routes(tree) if route}
    )  # fmt: skip
    for number in range(start, stop):
        luck = random.Random(f"{seed} {number}")
        kind = luck.choice(kinds)
        how, content, must_load = made(luck, held[kind], words)
        path = folder / "fuzz.yaml" if kind in ("scenario", "spatial") else folder / "sweeps" / "fuzz.yaml"
        path.write_bytes(content)
        ring(HANG)
        say(number, f"{kind}-{how}", outcome(partial(LOADERS[kind], path), ScenarioError, must_load))
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
