"""Patients side by side: nobody's bits depend on the others in the lanes, and steps taken together are single steps."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tumorsim.api import study_of
from tumorsim.course import Inputs, Walk
from tumorsim.kernels import layout
from tumorsim.models.patient import simulate_batch
from tumorsim.scenario import load
from tumorsim.threads import most_lesions_first
from tumorsim.trial import RELATIVE_TOLERANCE, arm_inputs

SCENARIOS = {
    "adjuvant": ("scenarios/hcc_adjuvant_cik_rct.yaml", ["after_progression.curative_at_most=9"]),
    "advanced": ("scenarios/hcc_sorafenib_cik.yaml", []),
}
# lesions that become small, come late and are found early, and treatment that answers at once
CHANGES = (
    "disease.burden.residual_size=1e3 cells", "disease.burden.de_novo_rate=0.004 1/day",
    "trial.imaging.detection_diameter=2 mm", "after_progression.delay=3 day", "after_progression.tace=ctace",
    "after_progression.tace_interval=30 day",
)  # fmt: skip
N = 37  # two full sets of lanes and some
CROWDED, HEALTHY = 4, (3, 20)  # rows of the patient with many lesions, and of those with none
MANY = 11
DAYS = np.arange(0.0, 900.0, 13.7)
END = 900.0


@pytest.fixture(scope="module", params=SCENARIOS)
def made(request: pytest.FixtureRequest) -> Inputs:
    path, more = SCENARIOS[request.param]
    study = study_of(load(path, [*CHANGES, *more, f"population.patients={N}"]))
    cohort, policy, visits = arm_inputs(study, 1, np.arange(N), RELATIVE_TOLERANCE)
    cohort.traits["end"] = np.minimum(cohort.traits["end"], END)
    of = [cohort.lesions[a:b] for a, b in zip(cohort.lesion_offset[:-1], cohort.lesion_offset[1:], strict=True)]
    crowd = np.concatenate([lesions[:1] for lesions in of if lesions.size])[:MANY]
    crowd["key"], crowd["arrival"] = np.arange(MANY), np.arange(MANY) * 10.0 - 50.0
    of[CROWDED] = crowd
    for row in HEALTHY:
        of[row] = crowd[:0]
    offset = np.concatenate([[0], np.cumsum([lesions.size for lesions in of])])
    return Inputs(cohort._replace(lesions=np.concatenate(of), lesion_offset=offset), policy, visits)


def blank(made: Inputs, traced: Sequence[int] = ()) -> layout.Outcomes:
    """Room for what happens to everybody; some are traced."""
    row = np.full(N, -1)
    row[list(traced)] = np.arange(len(traced))
    return layout.Outcomes(
        np.zeros(N, layout.OUTCOME), np.zeros((N, made.visits), layout.VISIT),
        np.zeros((max(1, len(traced)), DAYS.size), layout.TRACE), DAYS, row, np.zeros(N, layout.MEMO),
    )  # fmt: skip


def run(made: Inputs, shares: Sequence[Sequence[int] | np.ndarray], traced: Sequence[int] = ()) -> layout.Outcomes:
    """Everybody, a share of rows after another; some are traced."""
    outcomes = blank(made, traced)
    for share in shares:
        simulate_batch(made.cohort, made.policy, outcomes, np.array(share, np.int64), np.zeros(1, np.int64))
    assert (outcomes.event["status"] == 0).all()
    return outcomes


@pytest.fixture(scope="module")
def together(made: Inputs) -> layout.Outcomes:
    return run(made, [range(N)], range(N))


def test_what_happens_to_these_patients_is_not_all_quiet(made: Inputs, together: layout.Outcomes) -> None:
    event, lesions = together.event, np.diff(made.cohort.lesion_offset)
    assert lesions[CROWDED] == MANY
    assert (lesions[list(HEALTHY)] == 0).all()
    assert np.isfinite(event["death_time"]).any()
    assert np.isfinite(event["progression_time"]).any()
    assert (np.isfinite(event["resistant_time"]) | np.isfinite(event["resistant_regrowth_time"])).any()
    assert event["lesions_extinct"].any()
    assert event["salvage"].any()
    assert together.memo["rejected"].any()
    assert np.unique(event["steps"]).size > N / 2


ORDERS = {
    "alone": [[row] for row in range(N)],
    "backwards": [range(N)[::-1]],
    "shuffled": [np.random.default_rng(1).permutation(N)],
    "shares of 5": [range(N)[first : first + 5] for first in range(0, N, 5)],
    "shares of 17": [range(N)[first : first + 17] for first in range(0, N, 17)],
    "most lesions last": [[row for row in range(N) if row != CROWDED], [CROWDED]],
}


@pytest.mark.parametrize("order", ORDERS)
def test_company_and_order_change_no_bit(made: Inputs, together: layout.Outcomes, order: str) -> None:
    found = run(made, ORDERS[order], range(N))
    for name in ("event", "visit", "trace", "memo"):
        assert getattr(found, name).tobytes() == getattr(together, name).tobytes(), name


def test_threads_that_share_the_rows_take_each_once(made: Inputs, together: layout.Outcomes) -> None:
    found, rows, taken = blank(made, range(N)), np.arange(N), np.zeros(1, np.int64)
    with ThreadPoolExecutor(3) as pool:
        tasks = [pool.submit(simulate_batch, made.cohort, made.policy, found, rows, taken) for _ in range(3)]
    assert [task.result() for task in tasks] == [None] * 3
    assert taken[0] >= N
    for name in ("event", "visit", "trace", "memo"):
        assert getattr(found, name).tobytes() == getattr(together, name).tobytes(), name


def test_nobody_is_let_in_after_the_last(made: Inputs) -> None:
    found = blank(made)
    simulate_batch(made.cohort, made.policy, found, np.arange(N), np.full(1, N))
    assert not found.event["steps"].any()
    simulate_batch(made.cohort, made.policy, found, np.arange(N), np.full(1, N - 2))
    assert [*np.flatnonzero(found.event["steps"])] == [N - 2, N - 1]


def test_those_with_the_most_lesions_come_first_and_late_ones_count_less(made: Inputs) -> None:
    rows = np.arange(N)[::-2]
    order = most_lesions_first(made.cohort, rows).tolist()
    assert sorted(order) == sorted(rows)
    assert order[0] == CROWDED
    # one has a lesion from the start, one gets two near the end, one has none
    traits, lesions = made.cohort.traits[:3].copy(), made.cohort.lesions[:3].copy()
    traits["end"], lesions["arrival"] = END, (-1.0, 0.9 * END, 0.9 * END)
    few = made.cohort._replace(traits=traits, lesions=lesions, lesion_offset=np.array([0, 0, 2, 3]))
    lesions["arrival"] = lesions["arrival"][::-1]
    assert most_lesions_first(few, np.arange(3)).tolist() == [2, 1, 0]


@pytest.mark.parametrize("traced", [[], [*range(0, N, 3)]], ids=["nobody", "every third"])
def test_a_trace_changes_no_bit(made: Inputs, together: layout.Outcomes, traced: list[int]) -> None:
    found = run(made, [range(N)], traced)
    for name in ("event", "visit"):
        assert getattr(found, name).tobytes() == getattr(together, name).tobytes(), name
    for row, patient in enumerate(traced):
        assert found.trace[row].tobytes() == together.trace[patient].tobytes()
    memo, expected = found.memo.copy(), together.memo.copy()
    assert (memo["traced"] > 0).sum() == len(traced)
    memo["traced"] = expected["traced"] = 0
    assert memo.tobytes() == expected.tobytes()


def test_steps_taken_together_are_those_taken_one_by_one(made: Inputs, together: layout.Outcomes) -> None:
    """`Walk` looks after every step by itself, as a lane that is never quiet: the same outcomes, bit for bit."""
    for row in range(N):
        walk = Walk(made, row, RELATIVE_TOLERANCE)
        for _ in walk.stops(float(made.cohort.traits["end"][row])):
            pass
        assert walk._out.tobytes() == together.event[row : row + 1].tobytes(), row
        assert walk.rows.tobytes() == together.visit[row].tobytes(), row
