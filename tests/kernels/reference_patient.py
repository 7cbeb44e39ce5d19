"""The patient model a second time: plain NumPy, written from docs/theory, all lesions at once.

`slopes` is the reduced system that the kernels integrate. `slopes_unreduced` carries
VEGF as a state with its own clearance instead of its steady law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tumorsim.kernels import layout

N_DRUG, N_PRODUCT = layout.DRUG_STATES, layout.PRODUCT_STATES


@dataclass
class Case:
    """One patient's constants, as plain records."""

    traits: np.void
    drugs: np.ndarray
    products: np.ndarray
    intake: np.ndarray
    slots: np.ndarray


def hill(x, half):
    return x / (x + half)


def drug_effect(case: Case, y: np.ndarray) -> dict[str, float]:
    """Independent action: what escapes every drug is the product of what escapes each."""
    escape = dict.fromkeys(("birth_s", "birth_r", "sprout_s", "sprout_r", "killers", "bare"), 1.0)
    kill_s = kill_r = 0.0
    for i, d in enumerate(case.drugs):
        c = y[N_DRUG * i] / d["volume"] / d["molar_mass"] * 1e6
        f = d["resistant_sensitivity"]
        births = d["proliferation_emax"] * hill(c, d["proliferation_ec50"])
        sprouts = d["vessel_emax"] * hill(c, d["vessel_ec50"])
        kill_s += d["cytotoxic_rate"] * hill(c, d["cytotoxic_ec50"])
        kill_r += f * d["cytotoxic_rate"] * hill(c, d["cytotoxic_ec50"])
        escape["birth_s"] *= 1 - births
        escape["birth_r"] *= 1 - f * births
        escape["sprout_s"] *= 1 - sprouts
        escape["sprout_r"] *= 1 - f * sprouts
        escape["killers"] *= 1 - d["effector_suppression_emax"] * hill(c, d["effector_suppression_ec50"])
        escape["bare"] *= 1 - d["opsonisation_emax"] * hill(c, d["opsonisation_ec50"])
    return escape | {"kill_s": kill_s, "kill_r": kill_r}


def _drugs(case: Case, t: float, y: np.ndarray, out: np.ndarray) -> None:
    for i, d in enumerate(case.drugs):
        a1, a2 = y[N_DRUG * i], y[N_DRUG * i + 1]
        c = a1 / d["volume"]
        on = max(t - case.intake[i]["start"], 0.0)
        clearance = d["clearance"] * (1 + d["clearance_rise"] * (1 - np.exp(-on / d["clearance_rise_time"])))
        flow = d["intercompartmental_clearance"] * (c - a2 / d["peripheral_volume"])
        saturable = d["max_elimination"] * hill(c, d["half_elimination"])
        out[N_DRUG * i] = d["bioavailability"] * case.intake[i]["rate"] - clearance * c - saturable - flow
        out[N_DRUG * i + 1] = flow


def _circulation(case: Case, y: np.ndarray, out: np.ndarray) -> float:
    helpers, start = 0.0, N_DRUG * case.drugs.size
    for i, p in enumerate(case.products):
        blood, lung, liver, rest = y[start + 4 * i : start + 4 * i + 4]
        leaving = p["liver_uptake_rate"] + p["rest_uptake_rate"]
        rates = np.array(
            [
                [-leaving, p["lung_release_rate"], p["liver_return_rate"], p["rest_return_rate"]],
                [0.0, -p["lung_release_rate"], 0.0, 0.0],
                [p["liver_uptake_rate"], 0.0, -p["liver_return_rate"], 0.0],
                [p["rest_uptake_rate"], 0.0, 0.0, -p["rest_return_rate"]],
            ]
        )  # fmt: skip
        now = np.array([blood, lung, liver, rest])
        out[start + 4 * i : start + 4 * i + 4] = rates @ now - p["death_rate"] * now
        helpers += liver + rest
    return helpers


def slopes(t: float, y: np.ndarray, case: Case, vegf: np.ndarray | None = None) -> np.ndarray:
    """Derivative of the reduced system; with ``vegf`` given, that is used instead of its steady law."""
    traits, out = case.traits, np.zeros(y.size)
    g, r, v, m = traits["growth"], traits["resistance"], traits["vessels"], traits["memory"]
    _drugs(case, t, y, out)
    helpers = _circulation(case, y, out)
    e = drug_effect(case, y)
    body = N_DRUG * case.drugs.size + N_PRODUCT * case.products.size + layout.BODY_TAIL
    x = y[body:].reshape(-1, layout.LESION_HEAD + 2 * case.products.size)
    dx = out[body:].reshape(x.shape)
    clones, dead, capacity, maturity, embolised, pulse = x[:, :4], x[:, 4], x[:, 5], x[:, 6], x[:, 7], x[:, 8]
    cells = clones.sum(axis=1)
    volume = (cells + dead) / g["cell_density"]
    normalised = (maturity - v["baseline_maturity"]) / (1 - v["baseline_maturity"])
    perfusion = (
        2
        * capacity
        / (capacity + cells)
        * np.maximum(0, 1 + v["maturity_perfusion_gain"] * normalised)
        * (1 - embolised)
    )
    oxygen = hill(perfusion, v["half_perfusion"])
    if vegf is None:
        vegf = steady_vegf(case, cells, dead, oxygen) + pulse

    # effectors and killing
    suppression = traits["suppression"]
    allowed = (1 - suppression["baseline"]) * (1 - suppression["hypoxic"] * (1 - oxygen))
    allowed = allowed * (1 - suppression["vegf"] * hill(vegf, v["vegf_half_effect"]))
    traffic = traits["trafficking"]
    allowed = allowed / (1 + np.cbrt(volume / traffic["access_volume"]))
    uptake = (
        traffic["recruitment"]
        * volume
        * perfusion
        * traffic["vegf_adhesion_half"]
        / (traffic["vegf_adhesion_half"] + vegf)
    )
    uptake = uptake * np.maximum(0, 1 + traffic["maturity_gain"] * (maturity - v["baseline_maturity"]))
    kill, halt = np.zeros_like(clones), np.zeros_like(clones)
    for i, p in enumerate(case.products):
        blood = N_DRUG * case.drugs.size + N_PRODUCT * i
        active, tired = x[:, 10 + 2 * i], x[:, 11 + 2 * i]
        weight = active + p["half_e_to_t"] * cells + 1.0
        exhausting = p["exhaustion_rate"] * p["half_e_to_t"] * cells / weight * active
        out[blood] -= uptake.sum() * y[blood]
        dx[:, 10 + 2 * i] = uptake * y[blood] - exhausting - p["tumour_death_rate"] * active
        dx[:, 11 + 2 * i] = exhausting - p["tumour_death_rate"] * tired
        base = p["kill_rate"] * active / weight * allowed * e["killers"]
        boost = 1 + p["adcc_gain"] * p["cd16_fraction"] * (1 - e["bare"]) + p["car_gain"]
        low, res = p["antigen_low_activity"], p["resistant_activity"]
        action = base[:, None] * np.array([boost, res * boost, low, low * res])
        halt += p["cytostatic_share"] * action
        kill += action - p["cytostatic_share"] * action
    memory = y[body - 5]
    kill[:, :2] += (m["kill_rate"] * m["mhc_positive_fraction"] * memory * allowed)[:, None]

    # growth, loss, change of clone
    normal = 1 / (1 + v["half_perfusion"])
    factor = hill(oxygen, g["hypoxia_half_effect"]) / hill(normal, g["hypoxia_half_effect"])
    rate = case.slots["rate"][: len(x)]
    birth = np.stack([rate * e["birth_s"], rate * (1 - r["fitness_cost"]) * e["birth_r"]], axis=1)[:, [0, 1, 0, 1]]
    birth = np.maximum(birth * factor[:, None] - halt, 0)
    loss = (rate * cells / capacity)[:, None] + np.array([e["kill_s"], e["kill_r"], e["kill_s"], e["kill_r"]]) + kill
    stress = 1 - e["birth_s"] * e["sprout_s"]
    divisions = birth + g["turnover_rate"]
    dx[:, :4] = (birth - loss) * clones
    for sensitive, resistant in ((0, 1), (2, 3)):
        mutated = r["mutation_probability"] * divisions[:, sensitive]
        turned = (mutated + r["switch_on_rate"] * stress) * clones[:, sensitive]
        back = r["switch_off_rate"] * clones[:, resistant]
        dx[:, sensitive] += back - turned
        dx[:, resistant] += turned - back
    for positive, negative in ((0, 2), (1, 3)):
        lost = r["antigen_loss_probability"] * divisions[:, positive] * clones[:, positive]
        dx[:, positive] -= lost
        dx[:, negative] += lost
    died = (loss * clones).sum(axis=1)
    cleared = g["dead_clearance_rate"] * dead
    dx[:, 4] = died - cleared

    # vessels
    supplied = clones[:, [0, 2]].sum(axis=1) * e["sprout_s"] + clones[:, [1, 3]].sum(axis=1) * e["sprout_r"]
    sprouting = v["capacity_growth_rate"] * supplied * hill(vegf, v["vegf_half_effect"])
    regression = (
        v["capacity_loss_rate"] * np.cbrt(cells / g["cell_density"]) ** 2 + v["embolised_loss_rate"] * embolised
    )
    dx[:, 5] = sprouting - regression * capacity
    occupancy = 1 - e["sprout_s"]
    excess = hill(occupancy**4, v["pruning_occupancy"] ** 4)
    dx[:, 6] = v["maturation_rate"] * occupancy * (1 - maturity) - v["pruning_rate"] * excess * maturity
    dx[:, 6] -= v["maturity_relaxation_rate"] * (maturity - v["baseline_maturity"])
    dx[:, 7] = -v["recanalisation_rate"] * embolised
    dx[:, 8] = -v["vegf_pulse_decay_rate"] * pulse
    dx[:, 9] = (g["turnover_rate"] + died / cells) * case.slots["small"][: len(x)] / cells

    # memory, liver, hazards
    reserve, total = y[body - 4], volume.sum()
    priming = m["expansion_rate"] * hill(cleared.sum(), m["half_antigen"])
    priming *= 1 + m["helper_gain"] * hill(helpers, m["helper_half"])
    out[body - 5] = priming * (1 - memory) - m["loss_rate"] * memory
    liver, h = traits["liver"], traits["hazards"]
    out[body - 4] = -reserve * (
        liver["decline_rate"] + liver["cirrhosis_decline_rate"] * traits["cirrhosis"] + liver["tumour_cost"] * total
    )
    burden = (total / h["tumour_half_burden"]) ** h["tumour_exponent"]
    # of the liver's failures those are the tumour's that would not happen without it
    ageing = liver["decline_rate"] + liver["cirrhosis_decline_rate"] * traits["cirrhosis"]
    untouched = traits["reserve"] * np.exp(-ageing * t)
    failing, failing_anyway = (h["liver_rate"] * np.exp(h["liver_slope"] * (0.5 - x)) for x in (reserve, untouched))
    out[body - 2] = min(failing, failing_anyway)
    out[body - 3] = h["tumour_rate"] * burden / (1 + burden) + failing - out[body - 2]
    out[body - 1] = h["other_rate"] * np.exp(h["age_slope"] * (traits["age"] - 55))
    return out


def steady_vegf(case: Case, cells: np.ndarray, dead: np.ndarray, oxygen: np.ndarray) -> np.ndarray:
    """Secreted VEGF when clearance balances secretion, pg/mL."""
    return secretion(case, cells, dead, oxygen) / case.traits["vessels"]["vegf_clearance_rate"]


def secretion(case: Case, cells: np.ndarray, dead: np.ndarray, oxygen: np.ndarray) -> np.ndarray:
    """Secretion in pg/mL/day."""
    v, density = case.traits["vessels"], case.traits["growth"]["cell_density"]
    return v["vegf_secretion"] * density * cells / (cells + dead + 1.0) * (1 + v["hypoxic_vegf_gain"] * (1 - oxygen))


def slopes_unreduced(t: float, z: np.ndarray, case: Case, lesions: int) -> np.ndarray:
    """The system with secreted VEGF of every lesion as a state; ``z`` is the reduced state and then VEGF."""
    y, secreted = z[:-lesions], z[-lesions:]
    body = N_DRUG * case.drugs.size + N_PRODUCT * case.products.size + layout.BODY_TAIL
    x = y[body:].reshape(lesions, -1)
    v = case.traits["vessels"]
    cells = x[:, :4].sum(axis=1)
    normalised = (x[:, 6] - v["baseline_maturity"]) / (1 - v["baseline_maturity"])
    perfusion = (
        2 * x[:, 5] / (x[:, 5] + cells) * np.maximum(0, 1 + v["maturity_perfusion_gain"] * normalised) * (1 - x[:, 7])
    )
    made = secretion(case, cells, x[:, 4], hill(perfusion, v["half_perfusion"]))
    reduced = slopes(t, y, case, secreted + x[:, 8])
    return np.concatenate([reduced, made - v["vegf_clearance_rate"] * secreted])
