"""Virtual patients: distributions, keys and what is hidden at entry."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from tumorsim.cohort import draw, individual
from tumorsim.cohort.burden import DE_NOVO_KEY, HIDDEN, VISIBLE_KEY, spherical_cells
from tumorsim.cohort.counts import negative_binomial_quantile, poisson_quantile
from tumorsim.kernels.growth import diameter_mm, volume_ml
from tumorsim.scenario import Scenario, load

ADJUVANT, ADVANCED = "scenarios/hcc_adjuvant_cik_rct.yaml", "scenarios/hcc_sorafenib_cik.yaml"
MANY = np.arange(20_000, dtype=np.int64)
LEVEL = 1e-3 / 12  # family-wise 0.1 % over the distribution tests below


@pytest.fixture(scope="module")
def adjuvant() -> Scenario:
    return load(ADJUVANT)


@pytest.fixture(scope="module")
def advanced() -> Scenario:
    return load(ADVANCED)


def drawn(scenario: Scenario, numbers: np.ndarray = MANY, seed: int = 7):
    return draw(scenario.disease, scenario.population, scenario.trial, numbers, seed)


def changed(scenario: Scenario, process: str, **values: float) -> Scenario:
    block = getattr(scenario.disease, process).replace(**values)
    return scenario.model_copy(update={"disease": scenario.disease.model_copy(update={process: block})})


def test_covariates_follow_the_population(adjuvant: Scenario) -> None:
    known = drawn(adjuvant).covariates
    for name, share in (("hbv", 0.81), ("cirrhosis", 0.6), ("male", 0.83)):
        assert stats.binomtest(int(known[name].sum()), MANY.size, share).pvalue > LEVEL, name
    law = adjuvant.population.age
    a, b = (law.low - law.mean) / law.sd, (law.high - law.mean) / law.sd
    assert stats.kstest(known["age"], stats.truncnorm(a, b, law.mean, law.sd).cdf).pvalue > LEVEL
    assert np.median(known["index_diameter"]) == pytest.approx(20.5, rel=0.02)
    counts = np.bincount(known["modality"].astype(int), minlength=4)[1:]
    assert stats.chisquare(counts, MANY.size * np.array([0.31, 0.585, 0.105])).pvalue > LEVEL


def test_growth_rates_are_lognormal_around_the_library_value(adjuvant: Scenario) -> None:
    rate = drawn(adjuvant).covariates["growth_rate"]
    typical = adjuvant.disease.growth.growth_rate
    assert stats.kstest(np.log(rate / typical.value) / typical.sd_log, "norm").pvalue > LEVEL


def test_de_novo_lesions_arrive_at_the_stated_rate(adjuvant: Scenario) -> None:
    patients = drawn(adjuvant)
    rate = adjuvant.disease.burden.de_novo_rate.value
    ratio = adjuvant.disease.burden.de_novo_no_cirrhosis.value
    exposure = (patients.traits["end"] * np.where(patients.covariates["cirrhosis"] > 0, 1.0, ratio)).sum()
    late = int((patients.lesions["arrival"] > 0).sum())
    assert stats.poisson.cdf(late, rate * exposure) == pytest.approx(0.5, abs=0.5 - LEVEL / 2)


def test_deposits_are_negative_binomial(adjuvant: Scenario) -> None:
    flat = changed(
        adjuvant, "burden", residual_diameter_exponent=0.0, residual_ablation_ratio=1.0, residual_multiple_ratio=1.0
    )
    patients = drawn(flat)
    deposits = patients.lesions["key"] < DE_NOVO_KEY
    row = np.repeat(np.arange(MANY.size), np.diff(patients.lesion_offset))
    count = np.bincount(row[deposits], minlength=MANY.size)
    burden = flat.disease.burden
    size, mean = burden.residual_dispersion.value, burden.residual_deposits.value
    expected = MANY.size * stats.nbinom.pmf(np.arange(6), size, size / (size + mean))
    seen = np.bincount(np.minimum(count, 6), minlength=7)
    assert stats.chisquare(seen, np.append(expected, MANY.size - expected.sum())).pvalue > LEVEL


def test_several_lesions_leave_more_behind_and_touch_no_other_patient(adjuvant: Scenario) -> None:
    alone, more = (drawn(changed(adjuvant, "burden", residual_multiple_ratio=ratio)) for ratio in (1.0, 3.0))
    several = alone.covariates["index_number"] > 1
    assert 1000 < several.sum() < MANY.size / 2

    def deposits(patients, which: np.ndarray) -> tuple[int, bytes]:
        row = np.repeat(np.arange(MANY.size), np.diff(patients.lesion_offset))
        of_these = patients.lesions[which[row] & (patients.lesions["key"] < DE_NOVO_KEY)]
        return of_these.size, of_these.tobytes()

    assert deposits(alone, ~several) == deposits(more, ~several)
    # the number is negative binomial: standard deviation of a ratio of two sums of a thousand and more
    assert deposits(more, several)[0] / deposits(alone, several)[0] == pytest.approx(3.0, rel=0.05)


def test_several_lesions_matter_after_curative_treatment_only(advanced: Scenario) -> None:
    alone, more = (
        drawn(changed(advanced, "burden", residual_multiple_ratio=ratio), MANY[:500]).lesions for ratio in (1.0, 3.0)
    )
    assert alone.tobytes() == more.tobytes()


def test_nothing_that_would_be_seen_is_there_at_entry_of_an_adjuvant_trial(adjuvant: Scenario) -> None:
    lesions = drawn(adjuvant).lesions
    early = lesions[lesions["arrival"] == 0.0]
    density = adjuvant.disease.growth.cell_density.value
    diameter = np.array([diameter_mm(volume_ml(n, density)) for n in early["cells"].sum(axis=1)])
    assert (diameter <= HIDDEN * early["threshold"] * (1 + 1e-9)).all()


def test_an_advanced_patient_carries_the_stated_lesions(advanced: Scenario) -> None:
    patients = drawn(advanced, np.arange(500))
    visible = patients.lesions["key"] >= VISIBLE_KEY
    assert visible.sum() == patients.covariates["index_number"].sum()
    first = patients.lesions[patients.lesions["key"] == VISIBLE_KEY]
    density = advanced.disease.growth.cell_density.value
    expected = spherical_cells(patients.covariates["index_diameter"], density)
    assert first["cells"].sum(axis=1) == pytest.approx(expected, rel=1e-12)


def test_clones_are_whole_where_few_and_never_exceed_the_lesion(adjuvant: Scenario) -> None:
    lesions = drawn(adjuvant, np.arange(3000)).lesions
    cells = lesions["cells"]
    assert (cells >= 0.0).all()
    resistant = cells[:, 1] + cells[:, 3]
    few = resistant < 1.0
    assert few.any()
    assert (resistant[few] == 0.0).all()  # no fraction of a resistant cell


def test_a_patient_does_not_depend_on_the_others(adjuvant: Scenario) -> None:
    whole, part = drawn(adjuvant, np.arange(60)), drawn(adjuvant, np.array([41, 7]))
    for place, number in enumerate((41, 7)):
        assert whole.traits[number].tobytes() == part.traits[place].tobytes()
        for name, values in whole.covariates.items():
            assert values[number] == part.covariates[name][place], name
        a, b = whole.lesion_offset[number : number + 2]
        c, d = part.lesion_offset[place : place + 2]
        assert whole.lesions[a:b].tobytes() == part.lesions[c:d].tobytes()


def test_changing_one_parameter_moves_no_other_draw(adjuvant: Scenario) -> None:
    """The de novo lesions, their rates and thresholds stay when there are more deposits."""
    more = changed(adjuvant, "burden", residual_deposits=3.0)
    before, after = (drawn(s, np.arange(200)).lesions for s in (adjuvant, more))
    late = [x[x["key"] >= DE_NOVO_KEY] for x in (before, after)]
    assert before.size < after.size
    assert late[0].tobytes() == late[1].tobytes()


def test_individual_values_stay_inside_their_bounds(adjuvant: Scenario) -> None:
    growth = adjuvant.disease.growth
    wide = growth.model_copy(update={"growth_rate": growth.growth_rate.model_copy(update={"cv": 20.0})})
    values = individual(wide, "growth", np.arange(5000), 1)[:, 0]
    assert values.max() == 1.0  # the declared upper bound, reached by this spread
    assert values.min() >= 0.0


def test_counts_are_those_of_scipy() -> None:
    rng = np.random.default_rng(5)
    u = np.concatenate([rng.random(20_000), 10.0 ** rng.uniform(-12, -1, 500), 1.0 - 10.0 ** rng.uniform(-9, -1, 500)])
    mean = np.exp(rng.uniform(-9, 4, u.size))
    mean[::50] = 0.0
    np.testing.assert_array_equal(poisson_quantile(u, mean), stats.poisson.ppf(u, mean))
    for dispersion in (0.05, 0.4, 1.0, 3.7, 60.0):
        expected = stats.nbinom.ppf(u, dispersion, dispersion / (dispersion + mean))
        np.testing.assert_array_equal(negative_binomial_quantile(u, dispersion, mean), expected)


def test_a_trial_does_not_import_what_takes_a_second() -> None:
    """`scipy.stats` and what follows in its train were a quarter of a whole trial."""
    code = (
        "import sys, tumorsim as ts\n"
        f"ts.run({ADJUVANT!r}, patients=12)\n"
        "heavy = {'scipy.stats', 'scipy.optimize', 'scipy.ndimage', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
