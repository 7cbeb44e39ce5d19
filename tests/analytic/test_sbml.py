"""Our trajectories against libRoadRunner's, on the exported equations."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("libsbml")
pytest.importorskip("roadrunner")
from sbml_table import STUDIES, compare


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_another_simulator_draws_the_same_trajectories(study: str) -> None:
    """Also which lesions die out, and who dies when of what: `compare` asserts the first and the cause."""
    found = compare(study, 17)
    assert max(one.worst for one in found) < 1e-6
    deaths = [one.death for one in found if np.isfinite(one.death)]
    assert max(deaths) < 1e-6
    assert sum(one.extinct for one in found) > 5 or "sorafenib" in study
    assert sum(one.sessions for one in found) > 5 or "TACE" not in study


@pytest.mark.medium
def test_one_patient_by_another_simulator() -> None:
    found = compare("sorafenib + CIK", 1)
    assert found[0].worst < 1e-6
