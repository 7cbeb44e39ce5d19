"""Compiled kernels on the disk, cut short or older than their source: what the next process makes of them."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

from faults import Measured

PACKAGE = Path(__file__).parents[2] / "src" / "tumorsim"
DRAW = (
    "import numpy as np; from tumorsim.kernels import random as r; print(r.uniforms(1, 2, np.arange(3), 0, 0)[0].hex())"
)
LAW = "return amount / (amount + half)"
CALL = "from tumorsim.kernels import pharmacology as p; print(p.emax(3.0, 1.0, 1.0))"
NUMBER = re.compile(r"[0-9.]+")
EDITED_EVERY = 5
"""One fault in so many is an edited callee; the others are cut files."""


def _printed(script: str, cache: Path, path: Path | None = None) -> str:
    environment = os.environ | {"TUMORSIM_CACHE_DIR": str(cache)} | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(
        [sys.executable, *(["-P"] if path else []), "-c", script], env=environment, capture_output=True, text=True,
        timeout=1200, check=False,
    )  # fmt: skip
    return done.stdout.strip() if done.returncode == 0 else f"ends with {done.returncode}: {done.stderr[-300:]}"


def cache(folder: Path, count: int, seed: int) -> Measured:
    """Cut index and code files at any length, one or all; edit a law that another file calls."""
    luck = random.Random(seed)
    measured = Measured({"cut": 0, "same bits": 0, "whole again": 0, "callees edited": 0, "seen": 0})
    edits = -(-count // EDITED_EVERY)
    _cuts(folder, count - edits, luck, measured)
    _edits(folder, edits, measured)
    return measured


def _cuts(folder: Path, count: int, luck: random.Random, measured: Measured) -> None:
    whole, figures = folder / "whole", measured.figures
    first = _printed(DRAW, whole)
    sizes = {path.relative_to(whole): path.stat().st_size for path in whole.rglob("*uniforms*.nb*")}
    if not sizes:
        measured.bad.append(f"nothing was kept of what {first!r} came from")
        return
    for turn in range(count):
        here = folder / f"cut-{turn}"
        shutil.copytree(whole, here)
        for name in sorted(sizes) if turn % 4 == 0 else [luck.choice(sorted(sizes))]:
            size = sizes[name]
            os.truncate(here / name, luck.choice([0, 1, size - 1, luck.randrange(size), luck.randrange(size)]))
        figures["cut"] += 1
        told = _printed(DRAW, here)
        figures["same bits"] += told == first
        # what was cut is compiled anew, and lies there whole; its name may be another
        left = [path.stat().st_size for path in here.rglob("*uniforms*.nbc")]
        figures["whole again"] += bool(left) and _printed(DRAW, here) == first
        if told != first:
            measured.bad.append(f"cut {turn}: {told}")
        shutil.rmtree(here)


def _edits(folder: Path, count: int, measured: Measured) -> None:
    package, figures = folder / "edited", measured.figures
    shutil.copytree(PACKAGE, package / "tumorsim", ignore=shutil.ignore_patterns("__pycache__"))
    law = package / "tumorsim" / "kernels" / "growth.py"
    source = law.read_text(encoding="utf-8")
    if source.count(LAW) != 1:
        measured.bad.append("the law that is edited is not there any more")
        return
    told = _printed(CALL, folder / "edits", package)
    if told != "1.5":
        measured.bad.append(f"unedited: {told}")
    for turn in range(count):
        factor = 2.0**turn * 2.0
        law.write_text(source.replace(LAW, f"return amount / (amount + {factor} * half)"), encoding="utf-8")
        figures["callees edited"] += 1
        told, wanted = _printed(CALL, folder / "edits", package), 3.0 / (1.0 + factor)
        seen = bool(NUMBER.fullmatch(told)) and abs(float(told) - wanted) < 1e-9
        figures["seen"] += seen
        if not seen:
            measured.bad.append(f"edit {turn}: {told}, not {wanted}")
