"""The numbers and limits that the theory pages state, from the laws themselves and the shipped library."""

import math

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.stats import beta

from tumorsim import library
from tumorsim.kernels import effectors, growth, imaging, killing, layout, liver, pharmacology, resistance, vessels
from tumorsim.kernels.tace import table_quantile
from tumorsim.params.cell_product import CellModel
from tumorsim.params.disease import Disease
from tumorsim.params.drug import DrugModel
from tumorsim.params.tace import TaceModel

HCC = Disease.model_validate(library.tree("diseases", "hcc").plain())
SORAFENIB = DrugModel.model_validate(library.tree("drugs", "sorafenib").plain())
CIK = CellModel.model_validate(library.tree("cells", "cik").plain())
CTACE = TaceModel.model_validate(library.tree("procedures", "ctace").plain())
G, V, M = (block.KERNEL(*block.values()) for block in (HCC.growth, HCC.vessels, HCC.memory))
Q, SUP, LIVER, HAZARDS = (b.KERNEL(*b.values()) for b in (HCC.trafficking, HCC.suppression, HCC.liver, HCC.hazards))
DRUG, PRODUCT = SORAFENIB.KERNEL(*SORAFENIB.values()), CIK.KERNEL(*CIK.values())
TACE = CTACE.KERNEL(*CTACE.values())
YEAR, DENSITY = 365.25, HCC.growth.cell_density.value
NO_EFFECTS = layout.DrugEffects(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def yearly(hazard):
    """Share that dies in a year."""
    return -math.expm1(-hazard * YEAR)


# --- growth ----------------------------------------------------------------------
def test_births_are_one_at_normal_perfusion():
    normal = vessels.oxygenation(1.0, V)
    assert normal == pytest.approx(1.0 / (1.0 + V.half_perfusion))
    assert growth.hypoxic_birth_factor(normal, normal, G.hypoxia_half_effect) == 1.0
    assert growth.hypoxic_birth_factor(0.0, normal, G.hypoxia_half_effect) == 0.0


def test_growth_is_logistic_and_cytostasis_shrinks_a_full_lesion():
    for filled in (0.01, 0.5, 1.0):
        net = growth.birth_rate(0.01, 1.0, 0.0) - growth.crowding_rate(0.01, filled, 1.0)
        assert net == pytest.approx(0.01 * (1.0 - filled))
    assert growth.birth_rate(0.01, 1.0, 1.0) - growth.crowding_rate(0.01, 1.0, 1.0) == pytest.approx(-0.01)


def test_volume_and_diameter():
    assert growth.diameter_mm(4.19) == pytest.approx(20.0, abs=0.01)
    assert growth.diameter_mm(growth.volume_ml(DENSITY, DENSITY)) == pytest.approx(12.407, abs=1e-3)


@pytest.mark.parametrize("birth", [0.02, 0.03, 0.015])
def test_extinction_is_that_of_a_birth_death_process(birth):
    death, founders, time = 0.02, 5.0, 400.0
    mean = lambda t: founders * math.exp((birth - death) * t)  # noqa: E731
    integral, _ = quad(lambda t: growth.extinction_integrand(death, founders, mean(t)), 0.0, time)
    if birth == death:
        extinct = death * time / (1.0 + death * time)
    else:
        e = math.exp((birth - death) * time)
        extinct = death * (e - 1.0) / (birth * e - death)
    assert growth.survival_of_small_lesion(integral, founders) == pytest.approx(1.0 - extinct**founders, rel=1e-9)


def test_a_growing_deposit_survives_with_the_classical_probability():
    ratio = G.turnover_rate / (G.turnover_rate + G.growth_rate)
    limit = G.turnover_rate / G.growth_rate
    assert growth.survival_of_small_lesion(limit, 10.0) == pytest.approx(1.0 - ratio**10.0)


# --- resistance -------------------------------------------------------------------
def test_mutation_and_switching():
    p = layout.Resistance(4e-8, 1e-4, 0.0, 0.0, 0.0)
    assert resistance.drug_stress(NO_EFFECTS) == 0.0
    assert resistance.to_resistant_rate(0.01, 0.0, p) == pytest.approx(4e-10)
    both = NO_EFFECTS._replace(births_sensitive=0.5, sprouting_sensitive=0.5)
    assert resistance.drug_stress(both) == pytest.approx(0.75)
    assert resistance.drug_stress(both._replace(births_sensitive=1.0)) == 1.0


def odds_after(selection, days, share, switch_on, switch_off):
    """Odds of resistant cells by the law of docs/theory/lattice-cells.md."""

    def change(_, log_odds):
        odds = np.exp(log_odds)
        return selection - switch_off * (1.0 + odds) + switch_on * (1.0 + 1.0 / odds)

    return math.exp(solve_ivp(change, (0.0, days), [math.log(share / (1.0 - share))], rtol=1e-8).y[0, -1])


def test_selection_on_the_lattice_is_too_slow_for_a_majority():
    """Figures of the page on cells of the lattice; oxygen factor, exposure and divisions are those of its runs."""
    growth_rate, oxygen, exposure, divisions, days, r = 0.03, 0.87, 0.94 * 5686.0, 0.0268, 240.0, HCC.resistance
    prevented = pharmacology.emax(DRUG.proliferation_emax, exposure, DRUG.proliferation_ec50)
    felt = DRUG.resistant_sensitivity * prevented
    assert (prevented, felt) == (pytest.approx(0.38, abs=0.005), pytest.approx(0.04, abs=0.005))
    sensitive = growth.birth_rate(growth_rate, oxygen, prevented) + G.turnover_rate
    resistant = growth.birth_rate(growth_rate * (1.0 - r.fitness_cost.value), oxygen, felt) + G.turnover_rate
    advantage = resistant - sensitive
    tried = 0.87 * sensitive + 0.13 * resistant
    room = divisions / tried
    assert (advantage, tried, room) == (
        pytest.approx(0.0076, abs=5e-5), pytest.approx(0.037, abs=5e-4), pytest.approx(0.72, abs=0.005)
    )  # fmt: skip
    stress = resistance.drug_stress(
        NO_EFFECTS._replace(
            births_sensitive=prevented,
            sprouting_sensitive=pharmacology.emax(DRUG.vessel_emax, exposure, DRUG.vessel_ec50),
        )
    )
    back, on = r.switch_off_rate.value, r.switch_on_rate.value * stress
    shares = {}
    for name, selection in (("packed", room * advantage), ("room", advantage)):
        odds = odds_after(selection, days, 0.1, on, back)
        shares[name] = odds / (1.0 + odds)
    assert shares == {"packed": pytest.approx(0.21, abs=0.005), "room": pytest.approx(0.30, abs=0.005)}
    assert math.log(9.0) == pytest.approx(2.2, abs=0.01)
    speed = 2.0 * math.sqrt(room * advantage * 0.375 * divisions)
    assert (room * advantage, speed) == (pytest.approx(0.0055, abs=5e-5), pytest.approx(0.015, abs=5e-4))


# --- vessels ----------------------------------------------------------------------
def test_normal_perfusion_is_one_at_capacity():
    assert vessels.vascular_density(1e9, 1e9) == 1.0
    assert vessels.vascular_density(1.0, 1e9) == pytest.approx(2.0)
    assert vessels.perfusion(1.0, V.baseline_maturity, 0.0, V) == 1.0
    assert vessels.perfusion(1.0, 1.0, 0.0, V) == pytest.approx(1.0 + V.maturity_perfusion_gain)
    assert vessels.perfusion(1.0, V.baseline_maturity, 1.0, V) == 0.0


def test_vegf_is_the_balance_of_the_unreduced_equation_and_knows_no_size():
    oxygen = vessels.oxygenation(1.0, V)
    secretion = V.vegf_secretion * DENSITY * (1.0 + V.hypoxic_vegf_gain * (1.0 - oxygen))
    path = solve_ivp(lambda _, y: secretion - V.vegf_clearance_rate * y, (0.0, 2.0), [0.0], rtol=1e-10, atol=1e-8)
    assert vessels.secreted_vegf(1.0, oxygen, DENSITY, V) == pytest.approx(path.y[0, -1], rel=1e-8)
    assert vessels.secreted_vegf(0.5, oxygen, DENSITY, V) == pytest.approx(path.y[0, -1] / 2.0, rel=1e-8)


def capacity_ratio(diameter_cm):
    """Capacity per cell at which sprouting balances regression at normal perfusion."""
    cells = DENSITY * math.pi / 6.0 * diameter_cm**3
    vegf = vessels.secreted_vegf(1.0, vessels.oxygenation(1.0, V), DENSITY, V)
    gain = vessels.capacity_change(cells, 0.0, cells / DENSITY, vegf, 0.0, V)
    loss = gain - vessels.capacity_change(cells, cells, cells / DENSITY, vegf, 0.0, V)
    return gain / loss


def test_capacity_levels_off_near_two_litres():
    for diameter, stated in ((2.0, 60.0), (7.0, 5.0), (15.0, 1.0)):
        assert capacity_ratio(diameter) == pytest.approx(stated, rel=0.07)
    plateau = (6.0 * 1860.0 / math.pi) ** (1.0 / 3.0)
    assert capacity_ratio(plateau) == pytest.approx(1.0, rel=0.01)


def test_a_lesion_enters_with_the_balanced_capacity():
    from tumorsim.cohort.burden import _capacity

    for diameter in (3.5, 7.0, 10.0):
        cells = DENSITY * math.pi / 6.0 * diameter**3
        expected = min(capacity_ratio(diameter), HCC.burden.initial_capacity_ratio.value)
        assert _capacity(HCC, np.array([cells]))[0] / cells == pytest.approx(expected, rel=1e-9)


def steady_maturity(occupancy, p):
    rates = [vessels.maturity_change(m, occupancy, p) for m in (0.0, 1.0)]
    return rates[0] / (rates[0] - rates[1])  # the law is linear in maturity


def test_the_window_stays_open_at_full_occupancy():
    """Stated as a limit: pruning does not bring maturity below its untreated level."""
    assert steady_maturity(0.0, V) == pytest.approx(V.baseline_maturity)
    assert steady_maturity(1.0, V) == pytest.approx(0.63, abs=0.005)
    assert steady_maturity(1.0, V._replace(pruning_rate=0.58)) == pytest.approx(V.baseline_maturity, abs=1e-3)


# --- drugs ------------------------------------------------------------------------
def exposure(days):
    """Average concentration (mg/L) of 800 mg a day of sorafenib after some days."""
    return 800.0 / pharmacology.clearance_now(days, DRUG)


def test_exposure_of_sorafenib_is_the_stated_one():
    assert pharmacology.concentration(exposure(0.0) * DRUG.volume, DRUG) == pytest.approx(8820.0, rel=0.002)
    assert 1.0 - exposure(1e4) / exposure(0.0) == pytest.approx(0.47, abs=0.005)
    half_day = [0.5 * 24.0 * exposure(day) for day in (30.0, 90.0, 1e4)]
    assert half_day == pytest.approx([39.0, 31.0, 26.0], abs=0.7)
    assert math.log(2.0) * DRUG.volume / DRUG.clearance * 24.0 == pytest.approx(18.0, abs=0.5)


def test_effects_of_sorafenib_are_the_stated_ones():
    level = 0.9 * 8820.0  # at an adherence of 0.9
    assert pharmacology.emax(DRUG.proliferation_emax, level, DRUG.proliferation_ec50) == pytest.approx(0.4, abs=0.05)
    assert pharmacology.emax(DRUG.vessel_emax, level, DRUG.vessel_ec50) == pytest.approx(2.0 / 3.0, abs=0.03)
    suppressed = pharmacology.emax(DRUG.effector_suppression_emax, level, DRUG.effector_suppression_ec50)
    assert suppressed == pytest.approx(0.2, abs=0.03)


def test_molar_mass_follows_from_the_formula():
    weights = {"C": 12.011, "H": 1.008, "Cl": 35.45, "F": 18.998, "N": 14.007, "O": 15.999}
    count = {"C": 21, "H": 16, "Cl": 1, "F": 3, "N": 4, "O": 3}
    assert DRUG.molar_mass == pytest.approx(sum(weights[e] * n for e, n in count.items()), abs=0.05)


# --- effectors --------------------------------------------------------------------
def circulate(days):
    """Shares of a dose in blood, lung, liver, rest, and the integral of blood, on given days."""
    p = PRODUCT

    def rates(_, y):
        blood, lung, in_liver, rest, _area = y
        leaving = p.liver_uptake_rate + p.rest_uptake_rate + p.death_rate
        inflow = p.lung_release_rate * lung + p.liver_return_rate * in_liver + p.rest_return_rate * rest
        return [
            inflow - leaving * blood,
            -(p.lung_release_rate + p.death_rate) * lung,
            p.liver_uptake_rate * blood - (p.liver_return_rate + p.death_rate) * in_liver,
            p.rest_uptake_rate * blood - (p.rest_return_rate + p.death_rate) * rest,
            blood,
        ]

    return solve_ivp(rates, (0.0, max(days)), [0.0, 1.0, 0.0, 0.0, 0.0], t_eval=days, rtol=1e-9, atol=1e-12).y


def test_cells_go_where_the_table_says():
    shares = circulate([1.0, 3.0, 7.0, 14.0, 150.0])
    alive = shares[:4].sum(axis=0)
    assert shares[1, 0] == pytest.approx(0.2, abs=0.01)
    assert (shares[2, 1:4] / alive[1:4]) == pytest.approx(0.31, abs=0.01)
    assert (shares[0, 1:4] / alive[1:4]) == pytest.approx(0.05, abs=0.005)
    assert alive == pytest.approx(np.exp(-PRODUCT.death_rate * np.array([1.0, 3.0, 7.0, 14.0, 150.0])), abs=1e-6)
    vegf = vessels.secreted_vegf(1.0, vessels.oxygenation(1.0, V), DENSITY, V)
    uptake = effectors.recruitment_rate(1.0, 1.0, V.baseline_maturity, vegf, V.baseline_maturity, Q)
    assert uptake * shares[4, -1] == pytest.approx(1.2e-3, rel=0.1)


def test_uptake_is_an_extraction_of_one_in_fifteen():
    flow = 0.16 * 1440.0 / 5000.0  # mL/min/mL as a share of 5 L of blood a day
    assert Q.recruitment / flow == pytest.approx(1.0 / 15.0, rel=0.05)
    of_liver = PRODUCT.liver_uptake_rate / (1500.0 * 1440.0 / 5000.0)
    assert Q.recruitment / flow / of_liver == pytest.approx(14.0, abs=0.5)


def test_uptake_follows_flow_maturity_and_vegf():
    args = (V.baseline_maturity, 0.0, V.baseline_maturity, Q)
    one = effectors.recruitment_rate(1.0, 1.0, *args)
    assert one == pytest.approx(Q.recruitment)
    assert effectors.recruitment_rate(2.0, 3.0, *args) == pytest.approx(6.0 * one)
    silenced = effectors.recruitment_rate(1.0, 1.0, V.baseline_maturity, Q.vegf_adhesion_half, V.baseline_maturity, Q)
    assert silenced == pytest.approx(one / 2.0)


# --- killing ----------------------------------------------------------------------
def test_engagement_has_both_limits_and_balances_contact():
    few, many = killing.engagement(10.0, 1e9, 1.0), killing.engagement(1e9, 10.0, 1.0)
    assert few * 1e9 == pytest.approx(10.0)  # each effector at its own pace
    assert many == pytest.approx(1.0)
    engaged = killing.engagement(300.0, 700.0, 2.0) * 2.0 * 700.0
    assert engaged == pytest.approx(killing.contact(300.0, 700.0, 2.0) * 300.0)


def test_antibody_needs_antigen_cd16_and_occupancy():
    product = PRODUCT._replace(cd16_fraction=0.5, adcc_gain=2.0, car_gain=0.0)
    assert killing.antibody_and_receptor_factor(1.0, 1.0, product) == pytest.approx(2.0)
    for occupancy, antigen, cd16 in ((0.0, 1.0, 0.5), (1.0, 0.0, 0.5), (1.0, 1.0, 0.0)):
        assert killing.antibody_and_receptor_factor(occupancy, antigen, product._replace(cd16_fraction=cd16)) == 1.0


def test_access_falls_with_the_radius():
    assert killing.access(Q.access_volume, Q) == 0.5
    for cells_or_cm, stated in ((1e5 / DENSITY, 0.98), (math.pi / 6 * 8.0, 0.70), (math.pi / 6 * 343.0, 0.39)):
        assert killing.access(cells_or_cm, Q) == pytest.approx(stated, abs=0.02)


def test_suppression_filters_are_independent():
    whole = killing.permitted(0.0, 1e12, V.vegf_half_effect, 1.0, SUP)
    assert whole == pytest.approx((1 - SUP.baseline) * (1 - SUP.hypoxic) * (1 - SUP.vegf), rel=1e-6)
    assert killing.permitted(1.0, 0.0, V.vegf_half_effect, 1.0, SUP) == pytest.approx(1 - SUP.baseline)


# --- memory, liver, hazards ---------------------------------------------------------
def test_memory_has_its_plateaus_and_half_life():
    gain = effectors.memory_change(0.0, 1e12, 0.0, M)
    helped = effectors.memory_change(0.0, 1e12, 1e15, M)
    assert gain == pytest.approx(M.expansion_rate)
    assert helped == pytest.approx(M.expansion_rate * (1.0 + M.helper_gain))
    plateau = gain / (gain + M.loss_rate)
    assert effectors.memory_change(plateau, 1e12, 0.0, M) == pytest.approx(0.0, abs=1e-9)
    assert math.log(2.0) / M.loss_rate == pytest.approx(347.0, abs=1.0)


def test_mortality_by_reserve_is_the_stated_one():
    for reserve, stated in ((0.93, 0.003), (0.85, 0.009), (0.65, 0.11), (0.5, 0.57)):
        assert yearly(liver.liver_hazard(reserve, HAZARDS)) == pytest.approx(stated, rel=0.05)


def test_reserve_falls_as_stated():
    kept = math.exp(5.0 * YEAR * liver.reserve_change(1.0, 1.0, 0.0, LIVER))
    assert 0.93 * kept == pytest.approx(0.88, abs=0.002)
    with_tumour = math.exp(YEAR * liver.reserve_change(1.0, 1.0, 500.0, LIVER))
    assert 1.0 - with_tumour == pytest.approx(1.0 / 3.0, abs=0.03)


def test_failures_beyond_the_background_are_the_tumours():
    background = liver.background_reserve(5.0 * YEAR, 0.93, 1.0, LIVER)
    assert background == pytest.approx(0.88, abs=0.002)
    assert liver.background_reserve(0.0, 0.93, 1.0, LIVER) == 0.93
    worn = liver.liver_hazard(0.65, HAZARDS)
    assert liver.excess_hazard(worn, background, HAZARDS) / worn == pytest.approx(0.95, abs=0.005)
    assert liver.excess_hazard(liver.liver_hazard(background, HAZARDS), background, HAZARDS) == 0.0
    assert liver.excess_hazard(liver.liver_hazard(0.93, HAZARDS), background, HAZARDS) == 0.0


def test_mortality_by_burden_is_the_stated_one():
    for volume, stated in ((4.0, 0.008), (65.0, 0.11), (180.0, 0.25), (1200.0, 0.67), (1e9, 0.89)):
        assert yearly(liver.tumour_hazard(volume, HAZARDS)) == pytest.approx(stated, rel=0.1)
    half = liver.tumour_hazard(HAZARDS.tumour_half_burden, HAZARDS)
    assert half == pytest.approx(HAZARDS.tumour_rate / 2.0)
    assert liver.age_factor(55.0, HAZARDS) == 1.0
    assert liver.age_factor(64.0, HAZARDS) == pytest.approx(1.7, abs=0.03)


# --- TACE, imaging ------------------------------------------------------------------
def test_necrosis_is_beta_and_two_sessions_embolise_more():
    from tumorsim.params.packing import procedure

    table = procedure(CTACE)["necrosis_quantiles"][0]
    drawn = np.array([table_quantile(u, table) for u in (np.arange(20_000) + 0.5) / 20_000])
    assert drawn.mean() == pytest.approx(TACE.necrosis_mean, abs=0.002)
    assert drawn.std() == pytest.approx(TACE.necrosis_sd, abs=0.002)
    size = TACE.necrosis_mean * (1 - TACE.necrosis_mean) / TACE.necrosis_sd**2 - 1
    law = beta(TACE.necrosis_mean * size, (1 - TACE.necrosis_mean) * size)
    assert table_quantile(0.3, table) == pytest.approx(law.ppf(0.3), abs=1e-3)
    fraction = 0.0
    for _ in range(2):
        fraction += TACE.embolised_fraction * (1.0 - fraction)
    assert fraction == pytest.approx(1.0 - 0.39**2)


def test_detection_is_the_stated_curve():
    from tumorsim.cohort.burden import Seeds, _thresholds
    from tumorsim.params.design import Imaging

    many = np.arange(20_000)
    seeds = Seeds(many * 0, many, many * 0.0, many * 0.0, many * 0)
    seen = Imaging(detection_diameter="8 mm", detection_steepness=3.5, measurable_diameter="10 mm", measurement_cv=0.06)
    thresholds = _thresholds(seen, seeds, np.zeros(1, np.int64), 7)
    for diameter, stated in ((8.0, 0.5), (15.0, 0.9), (30.0, 0.99)):
        assert (thresholds <= diameter).mean() == pytest.approx(stated, abs=0.01)


@pytest.mark.parametrize(
    ("total", "nadir", "new", "seen", "called"),
    [
        (100.0, 100.0, True, True, layout.RESPONSE_PD),
        (120.0, 100.0, False, True, layout.RESPONSE_PD),
        (119.9, 100.0, False, True, layout.RESPONSE_SD),
        (24.0, 20.0, False, True, layout.RESPONSE_PR),  # + 20 %, but less than 5 mm
        (25.0, 20.0, False, True, layout.RESPONSE_PD),
        (70.0, 70.0, False, True, layout.RESPONSE_PR),
        (70.1, 70.1, False, True, layout.RESPONSE_SD),
        (0.0, 50.0, False, False, layout.RESPONSE_CR),
    ],
)
def test_responses_are_called_in_order(total, nadir, new, seen, called):
    assert imaging.call_response(total, 100.0, nadir, new, seen) == called
