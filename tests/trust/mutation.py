"""Do the tests of the kernels see a fault in a kernel? Faults are put in, one at a time, and the tests are run.

The compiler is off: a fault costs the tests alone and no compilation, and a loop without end can be ended. A fault is
shown to the tests that call its function, the quickest first, up to `BUDGET` seconds of the processor.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from equivalent import EQUIVALENT
from faults import Measured
from mutants import Mutant, mutants, mutated

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tumorsim"
LEAST = 0.8
"""The share of faults, without equivalent ones, that tests must find."""
BUDGET, ALLOWED = 8.0, 5.0  # seconds of tests a fault; of one test when it is chosen
LANES = 2
NONE = -1  # in place of the number of a fault
SKIPPED = frozenset({"_jit.py", "layout.py", "__init__.py"})  # no law in them

PRELOAD = "import numpy, numba, h5py, scipy.stats, scipy.special, pydantic, pint, yaml, hypothesis, pytest"

Tests = dict[str, dict[str, Any]]


def seen(folder: Path) -> Tests:
    """Tests that pass without the compiler within `ALLOWED` seconds, and what they call; ``TRUST_MAP`` has some."""
    path = Path(os.environ.get("TRUST_MAP", folder / "seen.json"))
    if not path.exists():
        environment = _environment(ROOT / "src") | {"TRUST_SEEN": str(path), "TRUST_SECONDS": str(ALLOWED)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "seen", "-p", "no:cacheprovider", "-m", "not slow"]
        subprocess.run([*command, "tests/kernels"], cwd=ROOT, env=environment, capture_output=True, check=False)
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: test for name, test in found.items() if test["passed"]}


def _environment(source: Path) -> dict[str, str]:
    here = str(Path(__file__).parent)
    return os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": f"{source}{os.pathsep}{here}"}


def tests_of(mutant: Mutant, tests: Tests) -> list[str]:
    """Tests that call the function, or for a constant anything of its module, the quickest first."""
    wanted = f"{mutant.file}:{mutant.function}"
    calling = [
        (test["seconds"], name)
        for name, test in tests.items()
        if any(call == wanted if mutant.function else call.startswith(wanted) for call in test.get("calls", ()))
    ]
    chosen, spent = [], 0.0
    for seconds, name in sorted(calling):
        spent += seconds
        if chosen and spent > BUDGET:
            break
        chosen.append(name)
    return chosen


def mutation(folder: Path, count: int, seed: int) -> Measured:
    """Faults drawn evenly from those in functions that a test reaches."""
    tests = seen(folder)
    everything = [
        one
        for path in sorted((SOURCE / "kernels").glob("*.py"))
        if path.name not in SKIPPED
        for one in mutants(path.name, path.read_text(encoding="utf-8"))
    ]
    reached = [one for one in everything if tests_of(one, tests)]
    drawn = random.Random(seed).sample(reached, min(count, len(reached)))
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(_lane, drawn[k::LANES], folder / f"lane-{k}", tests) for k in range(LANES)]
        fates = {mutant: fate for lane in lanes for mutant, fate in lane.result().items()}
    return told(fates, len(everything), len(reached))


def told(fates: dict[Mutant, str], everything: int, reached: int) -> Measured:
    counts = Counter(fates.values())
    survivors = sorted((m for m, fate in fates.items() if fate == "survived"), key=lambda m: (m.file, m.line))
    equivalent = [m for m in survivors if m.key in EQUIVALENT]
    judged = len(fates) - len(equivalent)
    score = (counts["killed"] + counts["timed out"]) / max(judged, 1)
    figures = {
        "faults possible": everything, "in functions that these tests call": reached, "mutants": len(fates),
        "killed": counts["killed"], "timed out": counts["timed out"], "survived": len(survivors) - len(equivalent),
        "equivalent": len(equivalent), "score": f"{score:.2f}", "least": LEAST,
    }  # fmt: skip
    bad = [] if score >= LEAST else [f"only {score:.2f} of the faults are found, and {LEAST} are promised"]
    listed = [f"- {m}" + (f": equivalent, {EQUIVALENT[m.key]}" if m in equivalent else "") for m in survivors]
    return Measured(figures, bad, listed)


def _lane(drawn: list[Mutant], folder: Path, tests: Tests) -> dict[Mutant, str]:
    """One copy of the package, one fault after the other; a process that has loaded the libraries forks for each."""
    copy = folder / "src"
    shutil.copytree(SOURCE, copy / "tumorsim", ignore=shutil.ignore_patterns("__pycache__"))
    asked = [(mutant.file, mutant.number, tests_of(mutant, tests)) for mutant in drawn]
    # first all of these tests without any fault: one that fails by itself would find everything
    jobs = [("growth.py", NONE, sorted({name for *_, chosen in asked for name in chosen})), *asked]
    jobs = [(*job, 8.0 + 4.0 * sum(tests[name]["seconds"] for name in job[2])) for job in jobs]
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), str(folder)], cwd=ROOT, capture_output=True, text=True, check=False,
        env=_environment(copy) | {"PYTHONPYCACHEPREFIX": str(folder / "pyc")},
    )  # fmt: skip
    control, *said = done.stdout.split() or [""]
    if control != "survived":
        raise RuntimeError(f"without any fault the tests end with: {control or done.stderr[-3000:]}")
    if done.returncode or len(said) != len(drawn):
        raise RuntimeError(f"the mutants end after {len(said)}:\n{done.stderr[-3000:]}")
    return {mutant: word.replace("-", " ") for mutant, word in zip(drawn, said, strict=True)}


def main(folder: Path) -> None:
    """In the process of a lane: a word a job."""
    exec(PRELOAD)
    kernels = folder / "src" / "tumorsim" / "kernels"
    jobs = json.loads((folder / "jobs.json").read_text(encoding="utf-8"))
    for turn, (file, number, chosen, seconds) in enumerate(jobs):
        source = (kernels / file).read_text(encoding="utf-8")
        _write(kernels / file, source if number == NONE else mutated(source, number), 2 * turn)
        child = os.fork()
        if child == 0:
            _child(chosen, int(seconds) + 1)
        _, status = os.waitpid(child, 0)
        _write(kernels / file, source, 2 * turn + 1)
        ended = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
        fate = "timed-out" if ended else "survived" if status == 0 else "killed"
        sys.stdout.write(fate + "\n")
        sys.stdout.flush()


def _write(path: Path, source: str, turn: int) -> None:
    """Write a module at a time of its own: Python keeps bytecode by second and size."""
    path.write_text(source, encoding="utf-8")
    os.utime(path, (1e9 + turn, 1e9 + turn))


def _child(chosen: list[str], seconds: int) -> None:
    """Run the tests, and end with what they say."""
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    code = 1
    try:
        code = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", *chosen]))
    finally:
        os._exit(min(code, 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
