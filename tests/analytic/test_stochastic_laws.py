"""Whole patients against laws with a closed form: extinction, arrivals, competing deaths.

Seeds are fixed. Families of tests hold a family-wise level of 1e-3 by Bonferroni's bound, each z in
errors of its own sample; the z and p-values are printed with ``-s``.
"""

from __future__ import annotations

import numpy as np
import pytest
from made_cohorts import run, typical
from scipy import stats
from scipy.integrate import cumulative_trapezoid

from tumorsim.api import study_of
from tumorsim.cohort import draw
from tumorsim.cohort.burden import DE_NOVO_KEY, VISIBLE_KEY
from tumorsim.kernels import layout
from tumorsim.scenario import load

LEVEL = 1e-3  # family-wise
FEW, MANY = 2_000, 20_000  # patients: the fast tests, and the slow ones
TURNOVER = 0.02


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def patients(request: pytest.FixtureRequest) -> int:
    """How many equal patients a law is held against."""
    return int(request.param)


def bound(tests: int) -> float:
    """Largest |z| that a family of so many tests may show."""
    return float(stats.norm.isf(LEVEL / 2 / tests))


def z_of_share(found: int, of: int, expected: float) -> float:
    return float((found - of * expected) / np.sqrt(of * expected * (1.0 - expected)))


# --- extinction of small lesions --------------------------------------------------
def births_at_full_supply(rate: float) -> float:
    """Births of a deposit among vessels: twice the normal density of vessels (eqs V1, V3, G2)."""
    p50, o50 = 0.3, 0.1
    full, normal = 2.0 / (2.0 + p50), 1.0 / (1.0 + p50)
    return rate * (full / (full + o50)) / (normal / (normal + o50)) + TURNOVER


def extinct_by(time: float, cells: float, birth: float, death: float) -> float:
    """Probability that a birth-death process of ``cells`` founders has died out (Kendall 1948)."""
    if birth == death:
        return float((birth * time / (1.0 + birth * time)) ** cells)
    grown = np.exp((birth - death) * time)
    return float((death * (grown - 1.0) / (birth * grown - death)) ** cells)


@pytest.fixture(scope="module")
def supply() -> dict[str, dict[str, float]]:
    """Parameters that `births_at_full_supply` takes for granted."""
    return {
        "growth": {"turnover_rate": TURNOVER, "hypoxia_half_effect": 0.1},
        "vessels": {"half_perfusion": 0.3, "baseline_maturity": 0.3},
        "memory": {"kill_rate": 0.0},
        "resistance": {"fitness_cost": 0.0, "antigen_loss_probability": 0.0},
    }


def deposit(cells: float, rate: float, key: int = 1) -> dict[str, object]:
    return {"cells": (cells, 0.0, 0.0, 0.0), "rate": rate, "key": key}


def test_extinction_with_constant_rates(supply: dict[str, dict[str, float]], patients: int) -> None:
    days = (30.0, 150.0, 1500.0) if patients == MANY else (30.0, 150.0)
    cases = [(n, rate, day) for n in (1.0, 4.0, 20.0) for rate in (0.0, 0.0085, 0.04) for day in days]
    z = {}
    for seed, (cells, rate, day) in enumerate(cases):
        made = run(patients, day, lesions=[deposit(cells, rate)], traits=supply, seed=seed)
        birth = births_at_full_supply(rate)
        z[cells, rate, day] = z_of_share(
            int(made.event["lesions_extinct"].sum()), patients, extinct_by(day, cells, birth, TURNOVER)
        )
    worst = max(z, key=lambda case: abs(z[case]))
    print(f"\nextinction, {len(z)} cases of {patients}: largest |z| {abs(z[worst]):.2f} at (cells, rate, day) {worst}")
    assert abs(z[worst]) < bound(len(z))


def test_long_run_extinction_is_the_classical_power(supply: dict[str, dict[str, float]], patients: int) -> None:
    """(death / birth) ** founders."""
    made = run(patients, 1200.0, lesions=[deposit(3.0, 0.0085)], traits=supply)
    expected = (TURNOVER / births_at_full_supply(0.0085)) ** 3
    assert abs(z_of_share(int(made.event["lesions_extinct"].sum()), patients, expected)) < bound(1)


def gillespie_survivors(cells: int, birth: float, killing: float, decay: float, end: float, runs: int) -> int:
    """Direct simulation of births at ``birth`` and deaths at turnover + killing e^(-decay t), by thinning.

    A clone of 300 cells is taken to live on.
    """
    rng = np.random.default_rng(11)
    ceiling = birth + TURNOVER + killing
    time, alive, going = np.zeros(runs), np.full(runs, cells), np.ones(runs, bool)
    while going.any():
        here = np.flatnonzero(going)
        time[here] += rng.exponential(size=here.size) / (ceiling * alive[here])
        here = here[time[here] < end]
        going[:] = False
        going[here] = True
        mark = rng.random(here.size) * ceiling
        death = TURNOVER + killing * np.exp(-decay * time[here])
        alive[here] += (mark < birth).astype(int) - ((mark >= birth) & (mark < birth + death))
        going &= (alive > 0) & (alive < 300)
    return int((alive > 0).sum())


def test_extinction_while_a_drug_fades(supply: dict[str, dict[str, float]], patients: int) -> None:
    """A cytotoxic bolus far below its EC50: killing falls with the drug, and so do the odds of extinction."""
    cells, rate, day, dose = 12, 0.03, 120.0, 100.0
    drug = {name: 0.0 for name in layout.Drug._fields if name.endswith(("emax", "rise"))}
    drug |= {
        "clearance": 10.0, "volume": 100.0, "intercompartmental_clearance": 0.0, "peripheral_volume": 1.0,
        "max_elimination": 0.0, "half_elimination": 1.0, "molar_mass": 500.0, "bioavailability": 1.0,
        "cytotoxic_rate": 1.5e5, "cytotoxic_ec50": 1e9,
    }  # fmt: skip
    killing = 1.5e5 * (dose / 100.0 / 500.0 * 1e6) / 1e9
    bolus = [(0.0, layout.EVENT_DRUG_BOLUS, 0, dose)]
    made = run(patients, day, lesions=[deposit(cells, rate)], events=bolus, traits=supply, drug=drug, seed=3)
    extinct = made.event["lesions_extinct"].mean()
    direct = 1.0 - gillespie_survivors(cells, births_at_full_supply(rate), killing, 0.1, day, patients) / patients
    assert 0.2 < direct < 0.8
    z = (extinct - direct) / np.sqrt((extinct * (1 - extinct) + direct * (1 - direct)) / patients)
    print(f"\nextinct while a drug fades: {extinct:.4f}, Gillespie {direct:.4f}, z {z:.2f}")
    assert abs(z) < bound(1)


def test_the_mean_over_all_fates_is_kept(supply: dict[str, dict[str, float]], patients: int) -> None:
    """Survivors grow by 1/survival when they leave the small regime: extinct lesions included, the mean stands."""
    cells, rate, times = 5.0, 0.03, [0.0, 200.0, 300.0]
    made = run(patients, 310.0, lesions=[deposit(cells, rate)], traits=supply, times=times, seed=5)
    plain = {**supply, "growth": {**supply["growth"], "extinction_size": 0.0}}
    mean = run(1, 310.0, lesions=[deposit(cells, rate)], traits=plain, times=times).trace["tumour_volume"][0]
    volume = made.trace["tumour_volume"]
    assert set(np.unique(made.event["lesions_extinct"])) == {0.0, 1.0}
    for at in (1, 2):
        survivors = volume[:, at] > 0.0
        assert np.ptp(volume[survivors, at]) == 0.0  # chance decides who lives, not how fast
        share = mean[at] / volume[survivors, at][0]
        assert abs(z_of_share(int(survivors.sum()), patients, float(share))) < bound(2)


def test_changes_of_regime_are_met_in_time(supply: dict[str, dict[str, float]]) -> None:
    """The path of a lesion that grew out of the small regime, was killed back into it and grew again converges
    with the tolerance: nothing waits for the end of a step."""
    drug = {"cytotoxic_rate": 0.23, "cytotoxic_ec50": 1000.0, "proliferation_emax": 0.0, "vessel_emax": 0.0}
    events = [(250.0, layout.EVENT_DRUG_RATE, 0, 800.0), (310.0, layout.EVENT_DRUG_RATE, 0, 0.0)]
    tolerances = np.array([1e-4, 1e-5, 1e-6, 1e-7])
    volume = []
    for tolerance in (*tolerances, 1e-11):
        made = run(
            60, 700.0, lesions=[deposit(60.0, 0.03)], events=events, traits=supply, drug=drug, times=[0.0, 699.0],
            seed=2, tolerance=float(tolerance),
        )  # fmt: skip
        volume.append(made.trace["tumour_volume"][:, 1])
    alive = volume[-1] > 0.0
    assert 10 < alive.sum() < 60
    errors = [np.abs(v[alive] / volume[-1][alive] - 1.0).max() for v in volume[:-1]]
    slope = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    print(
        f"\nthrough two changes of regime: errors {np.array2string(np.array(errors), precision=1)}, slope {slope:.2f}"
    )
    assert errors[2] < 1e-4
    assert 0.6 < slope < 1.3


def test_lesions_of_a_patient_die_out_independently(supply: dict[str, dict[str, float]], patients: int) -> None:
    made = run(patients, 1000.0, lesions=[deposit(3.0, 0.0085, 1), deposit(3.0, 0.0085, 2)], traits=supply, seed=8)
    one = extinct_by(1000.0, 3.0, births_at_full_supply(0.0085), TURNOVER)
    found = np.bincount(made.event["lesions_extinct"].astype(int), minlength=3)
    expected = patients * stats.binom.pmf(np.arange(3), 2, one)
    assert stats.chisquare(found, expected).pvalue > LEVEL


def test_a_lesion_without_a_living_cell_is_gone() -> None:
    """Complete necrosis without survivors leaves no 0/0 behind."""
    empty = {"cells": (0.0, 0.0, 0.0, 0.0), "rate": 0.01, "key": 1}
    made = run(4, 50.0, lesions=[empty, deposit(1e6, 0.01, 2)], times=[0.0, 40.0])
    assert (made.event["lesions_extinct"] == 1).all()
    assert (made.trace["lesions"] == [2, 1]).all()
    assert np.isfinite(made.trace["tumour_volume"]).all()


# --- arrivals of new lesions --------------------------------------------------------
def test_de_novo_lesions_arrive_by_a_poisson_process() -> None:
    study = study_of(load("scenarios/hcc_adjuvant_cik_rct.yaml", ["disease.burden.de_novo_rate=0.002 1/day"]))
    made = draw(study.disease, study.population, study.design, np.arange(4000), study.seed)
    rows = np.repeat(np.arange(4000), np.diff(made.lesion_offset))
    late = (made.lesions["arrival"] > 0) & (made.lesions["key"] >= DE_NOVO_KEY) & (made.lesions["key"] < VISIBLE_KEY)
    row, day, end = rows[late], made.lesions["arrival"][late], made.traits["end"]
    ratio = study.disease.burden.de_novo_no_cirrhosis.value
    mean = 0.002 * np.where(made.traits["cirrhosis"] > 0, 1.0, ratio) * end
    count = np.bincount(row, minlength=4000)
    assert mean.max() > 7.0
    found = {
        "where in the follow-up": stats.kstest(day / end[row], "uniform").pvalue,
        "dispersion": 2 * min(stats.chi2(4000).sf(x := ((count - mean) ** 2 / mean).sum()), stats.chi2(4000).cdf(x)),
        "marks": stats.kstest(made.lesions["mark"][late], "uniform").pvalue,
        "with and without cirrhosis": min(
            2 * stats.norm.sf(abs(count[g].sum() - mean[g].sum()) / np.sqrt(mean[g].sum()))
            for g in (made.traits["cirrhosis"] > 0, made.traits["cirrhosis"] == 0)
        ),
    }  # fmt: skip
    print("\nde novo arrivals, p: " + ", ".join(f"{name} {p:.2g}" for name, p in found.items()))
    assert min(found.values()) > LEVEL / (len(found) + 1)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.99])
def test_memory_prevents_its_share_of_new_lesions(memory: float) -> None:
    """A lesion arrives when its mark, uniform, is not below the protection (eq. M3)."""
    eta, marks = 0.6, (np.arange(50) + 0.5) / 50
    lesions = [deposit(1e6, 0.0, key) | {"arrival": 10.0, "mark": mark} for key, mark in enumerate(marks)]
    # priming at a ceiling of its rate holds memory at 1 / (1 + loss / priming)
    held = {"expansion_rate": 10.0 * memory / (1.0 - memory), "loss_rate": 10.0, "kill_rate": 0.0}
    held |= {"half_antigen": 1.0, "helper_gain": 0.0, "de_novo_protection": eta}
    dying = [deposit(1e9, 0.01, 99) | {"capacity": 1e9}]
    made = run(1, 20.0, lesions=[*dying, *lesions], traits={"memory": held}, times=[0.0, 10.0, 15.0], tolerance=1e-8)
    at_arrival = made.trace["memory"][0, 1]
    assert at_arrival == pytest.approx(memory, abs=1e-6)
    assert made.trace["lesions"][0, 2] == 1 + (marks >= eta * at_arrival).sum()


# --- competing deaths ------------------------------------------------------------------
def test_deaths_under_constant_hazards(patients: int) -> None:
    """Waiting times are exponential with the sum of the hazards; causes fall in their proportions."""
    hazards = {
        "other_rate": 4e-4, "age_slope": 0.0, "liver_rate": 3e-4, "liver_slope": 0.0,
        "tumour_rate": 4e-4, "tumour_half_burden": 1e-30, "tumour_exponent": 1.0,
    }  # fmt: skip
    end, total = 4000.0, 1.1e-3
    made = run(patients, end, lesions=[deposit(1e8, 1e-12)], traits={"hazards": hazards}, seed=21)
    time, cause = made.event["death_time"], made.event["death_cause"]
    died = np.isfinite(time)
    law = stats.truncexpon(total * end, scale=1.0 / total)
    z = {"deaths": z_of_share(int(died.sum()), patients, -np.expm1(-total * end))}
    for code, rate in ((layout.CAUSE_TUMOUR, 4e-4), (layout.CAUSE_LIVER, 3e-4), (layout.CAUSE_OTHER, 4e-4)):
        z[f"cause {code}"] = z_of_share(int((cause[died] == code).sum()), int(died.sum()), rate / total)
    by_cause = [stats.kstest(time[died & (cause == code)], law.cdf).pvalue for code in (1, 2, 3)]
    everybody = stats.kstest(time[died], law.cdf).pvalue
    print(f"\ndeaths: z {z}; KS of the waiting time p {everybody:.2g}, by cause {np.round(by_cause, 3)}")
    assert max(abs(value) for value in z.values()) < bound(len(z))
    assert min(everybody, *by_cause) > LEVEL / 4


def test_livers_that_the_tumour_wears_out_are_counted_as_its_deaths(patients: int) -> None:
    """A lesion of constant volume takes from the reserve; causes fall as the two reserves, with and without it, say."""
    hazards = {"other_rate": 2e-4, "age_slope": 0.0, "liver_rate": 1e-3, "liver_slope": 6.0, "tumour_rate": 0.0}
    liver = {"decline_rate": 1e-4, "cirrhosis_decline_rate": 0.0, "tumour_cost": 8e-6}
    cells, end = 1e10, 2500.0
    growth = {"cell_density": 2.06e8}
    traits = {"hazards": hazards, "liver": liver, "growth": growth, "memory": {"kill_rate": 0.0}}
    made = run(patients, end, lesions=[deposit(cells, 1e-12)], traits=traits, seed=23)
    entry = float(typical().cohort.traits["reserve"][0])

    day = np.linspace(0.0, end, 20_001)

    def failing(decline: float) -> np.ndarray:
        return np.asarray(1e-3 * np.exp(6.0 * (0.5 - entry * np.exp(-decline * day))))

    whole, background = failing(1e-4 + 8e-6 * cells / growth["cell_density"]), failing(1e-4)
    alive = np.exp(-cumulative_trapezoid(whole + 2e-4, day, initial=0.0))
    expected = {
        layout.CAUSE_TUMOUR: np.trapezoid((whole - background) * alive, day),
        layout.CAUSE_LIVER: np.trapezoid(background * alive, day),
        layout.CAUSE_OTHER: np.trapezoid(2e-4 * alive, day),
    }
    cause = made.event["death_cause"]
    z = {code: z_of_share(int((cause == code).sum()), patients, float(share)) for code, share in expected.items()}
    z["alive"] = z_of_share(int((cause == layout.CAUSE_NONE).sum()), patients, float(alive[-1]))
    print(f"\nattribution: z {z}, shares {expected}")
    assert expected[layout.CAUSE_TUMOUR] > 0.2
    assert max(abs(value) for value in z.values()) < bound(len(z))
