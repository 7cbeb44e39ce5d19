"""Lesions of few cells: the extinction law against its closed form and against simulated cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from tumorsim.api import study_of
from tumorsim.cohort import draw
from tumorsim.kernels import growth, layout
from tumorsim.scenario import load
from tumorsim.trial import run_trial

LEVEL = 1e-3 / 6  # family-wise 0.1 % over the random tests here


def integral(birth, death, t: float) -> float:
    """Time integral of the death rate over the relative mean size, as the model accumulates it."""
    return quad(lambda s: death(s) / np.exp(quad(lambda x: birth(x) - death(x), 0, s)[0]), 0, t, limit=200)[0]


@pytest.mark.parametrize("founders", [1, 3, 40])
@pytest.mark.parametrize(("birth", "death"), [(0.03, 0.02), (0.02, 0.03), (0.025, 0.0)])
def test_constant_rates_give_the_textbook_law(birth: float, death: float, founders: int) -> None:
    t = 120.0
    grown = np.exp((birth - death) * t)
    extinct = death * (grown - 1.0) / (birth * grown - death)
    found = growth.survival_of_small_lesion(integral(lambda s: birth, lambda s: death, t), float(founders))
    assert found == pytest.approx(1.0 - extinct**founders, rel=1e-9)


def test_in_the_long_run_it_is_the_ratio_of_rates() -> None:
    found = growth.survival_of_small_lesion(integral(lambda s: 0.03, lambda s: 0.012, 4000.0), 2.0)
    assert found == pytest.approx(1.0 - 0.4**2, rel=1e-9)


def test_changing_rates_agree_with_simulated_cells() -> None:
    """Gillespie by thinning, killing switched on between day 10 and 40, against the law."""
    rng = np.random.default_rng(8)
    birth, low, high, founders, end, runs = 0.05, 0.02, 0.15, 12, 80.0, 4000

    def death(t: float) -> float:
        return high if 10.0 < t < 40.0 else low

    alive = 0
    for _ in range(runs):
        n, t = founders, 0.0
        while n > 0:
            t += rng.exponential(1.0 / (n * (birth + high)))
            if t > end or n > 2000:
                break
            u = rng.random() * (birth + high)
            n += 1 if u < birth else -1 if u < birth + death(t) else 0
        alive += n > 0
    parts = [quad(lambda s: death(s) / mean(s), a, b)[0] for a, b in ((0, 10), (10, 40), (40, end))]

    expected = growth.survival_of_small_lesion(float(sum(parts)), float(founders))
    assert stats.binomtest(alive, runs, expected).pvalue > LEVEL


def mean(t: float) -> float:
    """Relative mean size in the test above."""
    hit = min(max(t - 10.0, 0.0), 30.0)
    return float(np.exp(0.05 * t - 0.02 * (t - hit) - 0.15 * hit))


def lonely_deposits(cells: float, patients: int):
    """Patients with one deposit of so many cells, equal growth, nothing else, untreated."""
    changes = [
        f"population.patients={patients}", "disease.growth.growth_rate={value: 0.01 1/day, cv: 0}",
        "disease.growth.turnover_rate=0.02 1/day", "disease.burden.lesion_growth_spread=0",
        "disease.burden.de_novo_rate=0 1/day", f"disease.burden.residual_size={cells} cells",
        "disease.burden.residual_size_spread=0", "disease.burden.residual_deposits=50", "output.traced_patients=0",
        "disease.memory.kill_rate=0 1/day",
    ]  # fmt: skip
    return study_of(load("scenarios/hcc_adjuvant_cik_rct.yaml", changes))


@pytest.mark.slow
@pytest.mark.parametrize("founders", [1, 5])
def test_deposits_of_the_model_die_out_as_the_law_says(founders: int) -> None:
    study = lonely_deposits(float(founders), 120)
    numbers = np.arange(120)
    lesions = np.diff(draw(study.disease, study.population, study.design, numbers, study.seed).lesion_offset)
    data = run_trial(study, threads=2)
    extinct = int(data["lesions_extinct"][0].sum())
    # births 0.01 * factor + 0.02, deaths 0.02: the factor of perfusion is above one in a deposit full of vessels
    v = study.disease.vessels
    oxygen = 2.0 / (2.0 + v.half_perfusion.value)
    normal = 1.0 / (1.0 + v.half_perfusion.value)
    factor = growth.hypoxic_birth_factor(oxygen, normal, study.disease.growth.hypoxia_half_effect.value)
    expected = (0.02 / (0.01 * factor + 0.02)) ** founders
    total = int(lesions.sum())
    print(f"founders {founders}: extinct {extinct} of {total}, expected share {expected:.4f}")
    assert stats.binomtest(extinct, total, expected).pvalue > LEVEL


def test_cells_are_conserved_in_the_mean_when_survivors_leave_the_small_regime() -> None:
    """Survivors are scaled by 1 / survival, so the mean over all lesions stays what the equation says."""
    integral_now, founders = 2.5, 4.0
    survival = growth.survival_of_small_lesion(integral_now, founders)
    rng = np.random.default_rng(1)
    scaled = np.where(rng.random(200_000) < survival, 1.0 / survival, 0.0)
    assert abs(scaled.mean() - 1.0) < 4 * scaled.std() / np.sqrt(scaled.size)


def test_layout_puts_the_integral_where_the_law_reads_it() -> None:
    assert layout.EXTINCTION == layout.LESION_HEAD - 1
