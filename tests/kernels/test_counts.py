"""Operations that the benchmarks count by hand, against numbers that count themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))


@pytest.mark.medium
def test_the_laws_do_as_many_operations_as_counted_by_hand() -> None:
    from benchmarks import counts

    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "kernels" / "counted.py")],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "dispose": counts.DISPOSE,
        "circulate": counts.CIRCULATE,
        "effects": counts.EFFECTS,
        "lesion": counts.LESION,
        "all": counts.LAWS,
        "states": counts.STATES,
        "react": counts.REACT,
        "gather": counts.GATHER,
        "settle": counts.SETTLE,
        "balance": counts.SWEEP_COLOUR,
    }
