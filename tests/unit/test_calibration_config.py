"""Calibration files: what is read, and how each slip is told."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import small_calibration
from tumorsim.calibration.config import load_calibration
from tumorsim.calibration.objective import Objective
from tumorsim.calibration.parameters import (
    EDGE,
    LARGEST,
    Law,
    digest_of,
    fixed_by,
    read_parameters,
    with_values,
)
from tumorsim.places import routes, setting_path
from tumorsim.scenario import Scenario, ScenarioError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return load_calibration(small_calibration.write(tmp_path_factory.mktemp("scenarios")))


def test_what_is_read(made):
    assert [p.name for p in made.parameters] == ["residual_deposits", "kill_rate", "other_rate"]
    assert made.scenarios[0].trial.cutoff == pytest.approx(40 * 365.25 / 12)
    assert made.rival_scenarios[0][0].arms[1].treatments[0].definition.kill_rate.value == 0.0


SLIPS = {
    "seed: 3": ("seed: x", "seed"),
    "R-9: 1,": ("R-99: 1,", '"R-99" is no target'),
    "R-12: 0.5": ("R-6: 0.5", "marked CON"),
    "path: infusion.cik.kill_rate": ("path: infusion.cik.kil_rate", 'no study has "infusion.cik.kil_rate"'),
    "spread: 0.6, low: 0.2": ("low: 0.2", "needs median and spread"),
    "low: 0.1 1/day": ("low: 0 1/day", "needs low > 0"),
    "low: 1e-5 1/day": ("low: 8e-5 1/day", "low must be below high"),
    "high: 6 1/day": ("high: 6 mL", "parameters[1] kill_rate"),
    "scenario: ../hcc_adjuvant_cik_rct.yaml": ("scenario: ../../hcc.yaml", "stays in the folder"),
    "name: other_rate": ("name: kill_rate", 'the name "kill_rate" stands twice'),
    "evaluations: 10": ("evaluation: 10", "evaluation"),
    "residual_deposits\n    prior": ("residual_deposits\n    start: 9\n    prior", "lies outside the prior"),
    "disease.hazards.other_rate": ("disease.name", "is no number that could be fitted"),
    "fit: {R-2: 1, R-9: 1, R-12: 0.5}": ("fit: {R-3: 0}", "at least one weight must be > 0"),
    "trial.cutoff=40 month": ("trial.cutoff=40 mL", "trial.cutoff"),
}


@pytest.mark.parametrize("good", SLIPS, ids=lambda text: text.splitlines()[0][:30])
def test_a_slip_is_told_with_its_rule(good, tmp_path):
    bad, told = SLIPS[good]
    assert good in small_calibration.TEXT
    path = small_calibration.write(tmp_path, small_calibration.TEXT.replace(good, bad))
    with pytest.raises(ScenarioError) as caught:
        Objective.of(load_calibration(path))
    assert told in str(caught.value)
    assert len(caught.value.problems) <= 2


LAWS = st.sampled_from(
    [
        Law("lognormal", 0.2, 4.0, 1.0, 0.6),
        Law("loguniform", 1e-5, 1e-2, 3e-4, 1.0),
        Law("normal", 0.1, 0.95, 0.6, 0.2),
        Law("uniform", 1.0, 3.0, 2.0, 1.0),
    ]
)


@given(LAWS, st.floats(-4.0, 4.0))
def test_latent_and_value_are_inverse(law, z):
    assert law.low <= float(law.value(z)) <= law.high
    assert float(law.latent(law.value(z))) == pytest.approx(z, abs=1e-6)


@given(LAWS, st.floats(allow_nan=False))
def test_no_step_leaves_the_prior(law, z):
    assert law.low <= float(law.value(z)) <= law.high


def test_values_follow_the_prior():
    """Standard normal latent coordinates give the declared law, cut at its ends."""
    z = stats.norm.ppf(np.linspace(EDGE, 1 - EDGE, 4001))
    assert np.abs(z).max() < LARGEST
    law = Law("lognormal", 0.2, 4.0, 1.0, 0.6)
    a, b = (np.log(end) / 0.6 for end in (0.2, 4.0))
    expected = np.exp(stats.truncnorm(a, b, loc=0.0, scale=0.6).ppf(stats.norm.cdf(z)))
    np.testing.assert_allclose(law.value(z), expected, rtol=1e-6)


def test_a_library_value_is_set_wherever_the_entry_is_used(made):
    """Sorafenib stands in the salvage of the adjuvant trial; the path finds it there."""
    objective = Objective.of(made)
    plain = objective.plains[0]
    found = routes(plain, "drug.sorafenib.clearance")
    assert [setting_path(plain, route) for route in found] == ["after_progression.rescue.drug.clearance"]
    where = routes(plain, "infusion.cik.kill_rate")
    assert [setting_path(plain, route) for route in where] == ["arms.cik.treatments.0.infusion.kill_rate"]
    changed = with_values(plain, read_parameters(made), np.array([2.0, 0.5, 4e-5]))
    scenario = Scenario.model_validate(changed)
    assert scenario.disease.burden.residual_deposits.value == 2.0
    assert scenario.arms[1].treatments[0].definition.kill_rate.value == 0.5
    before, after = (each.arms[1].treatments[0].definition.kill_rate for each in (made.scenarios[0], scenario))
    assert after.cv == before.cv > 0
    assert scenario.disease.hazards.other_rate.value == pytest.approx(4e-5, rel=1e-12)


def test_the_digest_follows_the_meaning(tmp_path, made):
    def digest(*changes):
        text = small_calibration.TEXT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return digest_of(load_calibration(small_calibration.write(tmp_path, text)))

    whole = digest_of(made)
    assert digest(("title: Two", "title: Both")) == whole
    assert digest(("evaluations: 10", "evaluations: 99"), ("refit: 0", "refit: 9")) == whole
    assert digest(("kill_rate=0 1/day", "kill_rate=1 1/day")) != whole
    assert digest(("R-9: 1", "R-9: 2")) != whole
    assert digest(("40 month", "41 month")) != whole
    assert digest(("spread: 0.6", "spread: 0.7")) != whole


def test_shipping_the_fitted_values_keeps_the_digest(tmp_path, made):
    """A free parameter's present value, source and status decide no evaluation; a fixed one's value does."""
    path = small_calibration.write(tmp_path)
    set_to = 'set: ["trial.cutoff=40 month", "output.traced_patients=0"'
    for setting, same in (("disease.hazards.other_rate=2e-5 1/day", True), ("disease.hazards.age_slope=0.05", False)):
        path.write_text(small_calibration.TEXT.replace(set_to, f'{set_to}, "{setting}"'))
        changed = load_calibration(path)
        changed = changed.model_copy(update={"studies": made.studies})
        changed._scenarios = load_calibration(path).scenarios
        changed._rivals = load_calibration(path).rival_scenarios
        assert (digest_of(changed) == digest_of(made)) == same


def test_a_rival_leaves_free_what_it_does_not_set(made):
    """Two parameters may have one name at two places: the kill rate of infused cells is not that of memory."""
    plains = [json.loads(scenario.resolved_text) for scenario in made.scenarios]
    memory_off = ["disease.memory.kill_rate=0 1/day"]
    assert fixed_by("disease.memory.kill_rate", memory_off, plains)
    assert not fixed_by("infusion.cik.kill_rate", memory_off, plains)
    assert fixed_by("infusion.cik.kill_rate", ["arms.cik.treatments.0.infusion.kill_rate.value=0 1/day"], plains)
    assert not fixed_by("disease.hazards.other_rate", memory_off, plains)
    without = [{**plain, "arms": []} for plain in plains]
    assert fixed_by("infusion.cik.kill_rate", ["arms=[]"], without)
