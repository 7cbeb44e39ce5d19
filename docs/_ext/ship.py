"""Ships what a calibration found: its outcome beside its file, its values into the library.

    python docs/_ext/ship.py results/hcc_adjuvant_cik

copies ``short.json`` to ``scenarios/calibrations/NAME.outcome.json``, sets value, 90 %
interval, source and status of every fitted parameter in ``src/tumorsim/library``, and
writes ``docs/credibility/calibrated.md``. Values keep three digits.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "src" / "tumorsim" / "library"
FOLDERS = {"drug": "drugs", "infusion": "cells", "tace": "procedures"}
PLAIN = {"1": ""}  # units that are not written


def place(path: str) -> tuple[Path, list[str]]:
    """Library file and keys that a path of a calibration means."""
    parts = path.split(".")
    if parts[0] == "disease":
        return LIBRARY / "diseases" / "hcc.yaml", parts[1:]
    return LIBRARY / FOLDERS[parts[0]] / f"{parts[1]}.yaml", parts[2:]


def entry(lines: list[str], keys: list[str]) -> tuple[int, int]:
    """First line of a parameter and the line after its last."""
    first, indent = 0, 0
    for depth, key in enumerate(keys):
        indent = 2 * depth
        first = next(k for k in range(first, len(lines)) if lines[k].startswith(" " * indent + f"{key}:"))
        first += depth < len(keys) - 1
    last = first + 1
    while last < len(lines) and (lines[last].startswith(" " * (indent + 1)) or not lines[last].strip()):
        last += 1
    while not lines[last - 1].strip():
        last -= 1
    return first, last


def written(value: float, unit: str) -> str:
    """A quantity of three digits."""
    return f"{value:.3g} {PLAIN.get(unit, unit)}".strip()


def parameter(old: str, told: dict[str, Any], name: str, keys: list[str]) -> str:
    """The entry with the fitted value; range and variation between patients stay."""
    kept = {key: found[1] for key in ("range", "cv") if (found := re.search(rf"\b{key}: (\[[^\]]*\]|[0-9.]+)", old))}
    parts = [f"value: {written(told['best'], told['unit'])}", f"range: {kept['range']}"]
    if told["interval"]:
        parts.append(f"interval: [{', '.join(written(end, told['unit']) for end in told['interval'])}]")
    if "cv" in kept:
        parts.append(f"cv: {kept['cv']}")
    parts += [f'source: "fitted by scenarios/calibrations/{name}.yaml"', "status: fitted"]
    return f"{'  ' * (len(keys) - 1)}{keys[-1]}: {{{', '.join(parts)}}}"


def ship(folder: Path) -> None:
    """Ship one output folder."""
    told = json.loads((folder / "short.json").read_text(encoding="utf-8"))
    name = told["name"]
    shutil.copy(folder / "short.json", ROOT / "scenarios" / "calibrations" / f"{name}.outcome.json")
    for one in told["parameters"]:
        path, keys = place(one["path"])
        lines = path.read_text(encoding="utf-8").splitlines()
        first, last = entry(lines, keys)
        lines[first:last] = [parameter("\n".join(lines[first:last]), one, name, keys)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{path.name} {lines[first].strip()}")
    subprocess.run([sys.executable, str(ROOT / "docs" / "_ext" / "calibrated.py")], check=True)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        ship(Path(argument))
