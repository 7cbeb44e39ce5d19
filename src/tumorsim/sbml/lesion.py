"""One lesion in the terms of SBML: supply, killing, growth, vessels, and whether it dies out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tumorsim.sbml.system import System, total
from tumorsim.sbml.units import number, positive

# states in the order of `tumorsim.kernels.layout`, then two a product
CLONES = {
    "sensitive": "drug-sensitive cells", "resistant": "drug-resistant cells",
    "antigen_low": "antigen-low, drug-sensitive cells", "antigen_low_resistant": "antigen-low, drug-resistant cells",
}  # fmt: skip
HEAD = (
    *CLONES, "dead", "capacity", "maturity", "embolised", "vegf_pulse", "extinction_integral",
)  # fmt: skip
# whether antigen-low and whether drug-resistant, by clone
TRAITS = {
    "sensitive": (False, False), "resistant": (False, True),
    "antigen_low": (True, False), "antigen_low_resistant": (True, True),
}  # fmt: skip
NONE = number(0.0, "cell")
LEAVE_SMALL = 2  # times the extinction size; where a lesion leaves the small regime (eq. G7)


@dataclass(frozen=True)
class Place:
    """A lesion of the patient.

    Attributes
    ----------
    sid
        Identifier, e.g. ``lesion1``.
    growth_rate
        Net growth rate of its own, 1/day.
    start
        States at the start, in the order of `HEAD` and two a product.
    present
        Whether it is there at the start.
    small
        Cells when it became small, 0 if it is not.
    draws
        Uniform draws that decide its extinction, by entry into the small regime.
    """

    sid: str
    growth_rate: float
    start: Sequence[float]
    present: bool
    small: float
    draws: Sequence[float]


def add_lesion(system: System, place: Place, products: Sequence[str]) -> None:
    """Constants, laws, states and extinction of one lesion."""
    sid = place.sid
    system.constant(
        f"{sid}_growth_rate", f"Net growth rate of {sid}", "1/day", place.growth_rate,
        "Drawn for this lesion around the patient's growth rate (docs/theory/burden.md)",
    )  # fmt: skip
    system.switch(f"{sid}_present", f"1 while {sid} is there", "1", float(place.present))
    add_supply(system, sid)
    for product in products:
        add_engagement(system, sid, product)
    add_turnover(system, sid, products)
    rates = {**clone_rates(sid), **tissue_rates(sid)}
    units = {"maturity": "1", "embolised": "1", "vegf_pulse": "pg/mL", "extinction_integral": "1"}
    docs = CLONES | {
        "dead": "dead cells not yet cleared (eq. G6)", "capacity": "vascular capacity (eq. V5)",
        "maturity": "maturity of vessels (eq. V6)", "embolised": "embolised share of vessels (eq. V7)",
        "vegf_pulse": "VEGF added by embolisation (eq. V7)", "extinction_integral": "integral of extinction (eq. G5)",
    }  # fmt: skip
    for name, value in zip(HEAD, place.start, strict=False):
        system.state(f"{sid}_{name}", f"{sid}: {docs[name]}", units.get(name, "cell"), value, rates[name])
    for i, product in enumerate(products):
        active, tired = place.start[len(HEAD) + 2 * i : len(HEAD) + 2 * i + 2]
        one = f"{sid}_{product}"
        system.state(
            one, f"{product} in {sid}, functional (eq. E3)", "cell", active,
            f"{one}_entering - {one}_exhausting - {product}_tumour_death_rate * {one}",
        )  # fmt: skip
        system.state(
            f"{one}_exhausted", f"{product} in {sid}, exhausted (eq. E3)", "cell", tired,
            f"{one}_exhausting - {product}_tumour_death_rate * {one}_exhausted",
        )  # fmt: skip
    add_extinction(system, place, products)


def add_supply(system: System, sid: str) -> None:
    """Size, perfusion, oxygen, VEGF, and what they let effectors do (eqs G4, V1 to V4, E2, K4, K6)."""
    say = f"of {sid}"
    laws = (
        ("cells", "Viable cells", "cell", total([f"{sid}_{clone}" for clone in CLONES], "")),
        ("volume", "Volume", "mL", f"({sid}_cells + {sid}_dead) / growth_cell_density"),
        ("diameter", "Diameter (eq. G4)", "mm", f"one_cm * (6 * {sid}_volume / one_ml / pi) ^ (1 / 3)"),
        ("density", "Vessel density (eq. V1)", "1", f"2 * {sid}_capacity / ({sid}_capacity + {sid}_cells)"),
        (
            "maturity_gain", "Perfusion through maturity (eq. V2)", "1",
            positive(
                f"1 + vessels_maturity_perfusion_gain * ({sid}_maturity - vessels_baseline_maturity)"
                " / (1 - vessels_baseline_maturity)"
            ),
        ),
        (
            "perfusion", "Perfusion against normal (eq. V2)", "1",
            f"{sid}_density * {sid}_maturity_gain * (1 - {sid}_embolised)",
        ),
        ("oxygen", "Oxygenation (eq. V3)", "1", f"{sid}_perfusion / ({sid}_perfusion + vessels_half_perfusion)"),
        (
            "vegf", "VEGF (eq. V4)", "pg/mL",
            f"vessels_vegf_secretion * growth_cell_density * {sid}_cells / ({sid}_cells + {sid}_dead + one_cell)"
            f" * (1 + vessels_hypoxic_vegf_gain * (1 - {sid}_oxygen)) / vessels_vegf_clearance_rate"
            f" + {sid}_vegf_pulse",
        ),
        (
            "uptake", "Share of the effectors in blood taken up per day (eq. E2)", "1/day",
            f"trafficking_recruitment * {sid}_volume * {sid}_perfusion * "
            + positive(f"1 + trafficking_maturity_gain * ({sid}_maturity - vessels_baseline_maturity)")
            + f" * trafficking_vegf_adhesion_half / (trafficking_vegf_adhesion_half + {sid}_vegf)",
        ),
        (
            "permitted", "Share of killing that is permitted and reaches its target (eqs K4, K6)", "1",
            f"(1 - suppression_baseline) * (1 - suppression_hypoxic * (1 - {sid}_oxygen))"
            f" * (1 - suppression_vegf * {sid}_vegf / ({sid}_vegf + vessels_vegf_half_effect))"
            f" / (1 + ({sid}_volume / trafficking_access_volume) ^ (1 / 3))",
        ),
    )  # fmt: skip
    for name, doc, unit, formula in laws:
        system.law(f"{sid}_{name}", f"{doc} {say}", unit, formula)


def add_engagement(system: System, sid: str, product: str) -> None:
    """One product in one lesion: entry, exhaustion, and its action on a cell of low antigen (eqs E3, K1 to K3)."""
    one = f"{sid}_{product}"
    system.law(f"{one}_entering", f"{product} entering {sid} (eq. E2)", "cell/day", f"{sid}_uptake * {product}_blood")
    system.law(
        f"{one}_load", f"{product} and their targets in {sid} (eqs K2, K3)", "cell",
        f"{one} + {product}_half_e_to_t * {sid}_cells + one_cell",
    )  # fmt: skip
    system.law(
        f"{one}_exhausting", f"{product} exhausted in {sid} (eq. K3)", "cell/day",
        f"{product}_exhaustion_rate * {product}_half_e_to_t * {sid}_cells / {one}_load * {one}",
    )  # fmt: skip
    system.law(
        f"{one}_action", f"Action of {product} on a cell of {sid} that binds it like an antigen-low one (eq. K1)",
        "1/day", f"{product}_kill_rate * {one} / {one}_load * {sid}_permitted * effector_function",
    )  # fmt: skip


def _hazard(sid: str, product: str, clone: str) -> str:
    low, resistant = TRAITS[clone]
    return (
        f"{sid}_{product}_action * "
        + (f"{product}_antigen_low_activity" if low else f"{product}_receptor_gain")
        + (f" * {product}_resistant_activity" if resistant else "")
    )


def add_turnover(system: System, sid: str, products: Sequence[str]) -> None:
    """Births, losses and changes of trait of each clone, per cell and day (eqs G1 to G3, K7, K8, R1)."""
    none = number(0.0, "1/day")
    system.law(
        f"{sid}_hypoxia_factor", f"Births in {sid} against those at normal oxygenation (eq. G2)", "1",
        f"{sid}_oxygen / ({sid}_oxygen + growth_hypoxia_half_effect)"
        " / (normal_oxygen / (normal_oxygen + growth_hypoxia_half_effect))",
    )  # fmt: skip
    system.law(
        f"{sid}_crowding", f"Deaths in {sid} as it fills its capacity (eq. G3)", "1/day",
        f"{sid}_growth_rate * {sid}_cells / {sid}_capacity",
    )  # fmt: skip
    system.law(
        f"{sid}_memory_killing", f"Killing in {sid} by memory cells (eq. M2)", "1/day",
        f"memory_kill_rate * memory_mhc_positive_fraction * memory * {sid}_permitted",
    )  # fmt: skip
    for clone in CLONES:
        low, resistant = TRAITS[clone]
        drug = "resistant" if resistant else "sensitive"
        cost = " * (1 - resistance_fitness_cost)" if resistant else ""
        halted = total([f"{p}_cytostatic_share * {_hazard(sid, p, clone)}" for p in products], none)
        birth = f"{sid}_growth_rate{cost} * {sid}_hypoxia_factor * (1 - birth_inhibition_{drug})"
        system.law(
            f"{sid}_{clone}_birth", f"{sid}: births of {CLONES[clone]} (eqs G1, K8)", "1/day",
            positive(f"{birth} - ({halted})", "1/day"),
        )  # fmt: skip
        killed = [f"(1 - {p}_cytostatic_share) * {_hazard(sid, p, clone)}" for p in products]
        memory = [] if low else [f"{sid}_memory_killing"]
        system.law(
            f"{sid}_{clone}_loss", f"{sid}: deaths of {CLONES[clone]} beyond turnover (eqs G3, K7)", "1/day",
            total([f"{sid}_crowding", f"drug_killing_{drug}", *killed, *memory], none),
        )  # fmt: skip
        if not resistant:
            system.law(
                f"{sid}_{clone}_to_resistant", f"{sid}: {CLONES[clone]} turning resistant (eq. R1)", "1/day",
                f"resistance_mutation_probability * ({sid}_{clone}_birth + growth_turnover_rate)"
                " + resistance_switch_on_rate * drug_stress",
            )  # fmt: skip
        if not low:
            system.law(
                f"{sid}_{clone}_antigen_loss", f"{sid}: {CLONES[clone]} losing the antigen (eq. R3)", "1/day",
                f"resistance_antigen_loss_probability * ({sid}_{clone}_birth + growth_turnover_rate)",
            )  # fmt: skip
    system.law(
        f"{sid}_dying", f"Cells of {sid} that die beyond turnover", "cell/day",
        total([f"{sid}_{clone}_loss * {sid}_{clone}" for clone in CLONES], none),
    )  # fmt: skip


def clone_rates(sid: str) -> dict[str, str]:
    """Change of each clone (eq. R3)."""
    off = "resistance_switch_off_rate"
    net = {clone: f"({sid}_{clone}_birth - {sid}_{clone}_loss)" for clone in CLONES}
    s, r, a, ra = (f"{sid}_{clone}" for clone in CLONES)
    return {
        "sensitive": f"({net['sensitive']} - {s}_to_resistant - {s}_antigen_loss) * {s} + {off} * {r}",
        "resistant": f"({net['resistant']} - {off} - {r}_antigen_loss) * {r} + {s}_to_resistant * {s}",
        "antigen_low": f"({net['antigen_low']} - {a}_to_resistant) * {a} + {off} * {ra} + {s}_antigen_loss * {s}",
        "antigen_low_resistant": f"({net['antigen_low_resistant']} - {off}) * {ra} + {a}_to_resistant * {a}"
        f" + {r}_antigen_loss * {r}",
    }


def tissue_rates(sid: str) -> dict[str, str]:
    """Change of dead cells, vessels, VEGF pulse and extinction integral (eqs G6, V5 to V7, G5)."""
    calling = (
        f"(({sid}_sensitive + {sid}_antigen_low) * (1 - vessel_blockade_sensitive)"
        f" + ({sid}_resistant + {sid}_antigen_low_resistant) * (1 - vessel_blockade_resistant))"
    )
    sprouting = f"vessels_capacity_growth_rate * {calling} * {sid}_vegf / ({sid}_vegf + vessels_vegf_half_effect)"
    regression = (
        f"vessels_capacity_loss_rate * ({sid}_cells / growth_cell_density / one_ml) ^ (2 / 3)"
        f" + vessels_embolised_loss_rate * {sid}_embolised"
    )
    return {
        "dead": f"{sid}_dying - growth_dead_clearance_rate * {sid}_dead",
        "capacity": f"{sprouting} - ({regression}) * {sid}_capacity",
        "maturity": f"vessels_maturation_rate * vessel_blockade_sensitive * (1 - {sid}_maturity)"
        f" - vessels_pruning_rate * pruning * {sid}_maturity"
        f" - vessels_maturity_relaxation_rate * ({sid}_maturity - vessels_baseline_maturity)",
        "embolised": f"-vessels_recanalisation_rate * {sid}_embolised",
        "vegf_pulse": f"-vessels_vegf_pulse_decay_rate * {sid}_vegf_pulse",
        "extinction_integral": f"piecewise((growth_turnover_rate + {sid}_dying / {sid}_cells) * {sid}_small"
        f" / {sid}_cells, {sid}_small > {NONE}, {number(0.0, '1/day')})",
    }


def add_vessel_laws(system: System) -> None:
    """What all lesions share: normal oxygenation (eq. V3) and pruning (eq. V6)."""
    system.law("normal_oxygen", "Oxygenation at normal perfusion (eq. V3)", "1", "1 / (1 + vessels_half_perfusion)")
    system.law(
        "pruning", "Share of the largest pruning at this blockade of VEGF (eq. V6)", "1",
        "vessel_blockade_sensitive ^ 4 / (vessel_blockade_sensitive ^ 4 + vessels_pruning_occupancy ^ 4)",
    )  # fmt: skip


def add_extinction(system: System, place: Place, products: Sequence[str]) -> None:
    """Below the extinction size a lesion may die out; if not, it goes on as the mean of survivors (eqs G5, G7)."""
    sid = place.sid
    system.switch(f"{sid}_small", f"Cells of {sid} when it became small; 0 while it is not", "cell", place.small)
    system.switch(f"{sid}_entries", f"Times {sid} became small", "1", float(place.small > 0.0))
    last = place.draws[-1]
    branches = [f"{number(draw)}, {sid}_entries < {entry + 1}.5" for entry, draw in enumerate(place.draws[:-1])]
    draw = f"piecewise({', '.join([*branches, number(last)])})" if branches else number(last)
    system.law(f"{sid}_luck", f"{sid} dies out when its survival falls below this", "1", draw)
    integral = f"{sid}_extinction_integral"
    system.law(
        f"{sid}_survival", f"Probability that {sid} is still alive (eq. G5)", "1",
        f"piecewise(1 - ({integral} / (1 + {integral})) ^ ({sid}_small / one_cell), {sid}_small > {NONE}, 1)",
    )  # fmt: skip
    system.event(
        f"{sid}_becomes_small", f"{sid} falls below the extinction size",
        f"{sid}_present > 0.5 && {sid}_small <= {NONE} && {sid}_cells < growth_extinction_size",
        {f"{sid}_small": f"{sid}_cells", integral: "0", f"{sid}_entries": f"{sid}_entries + 1"},
    )  # fmt: skip
    gone = [*CLONES, "dead", *products, *(f"{product}_exhausted" for product in products)]
    system.event(
        f"{sid}_dies_out", f"{sid} dies out (eq. G5)",
        f"{sid}_small > {NONE} && {sid}_survival < {sid}_luck",
        {f"{sid}_{name}": NONE for name in (*gone, "small")}
        | {f"{sid}_{name}": "0" for name in ("present", "embolised", "extinction_integral")}
        | {f"{sid}_vegf_pulse": number(0.0, "pg/mL")},
    )  # fmt: skip
    kept = [*CLONES, *products, *(f"{product}_exhausted" for product in products)]
    system.event(
        f"{sid}_is_safe", f"{sid} has grown out of reach of extinction (eq. G7)",
        f"{sid}_small > {NONE} && {sid}_cells >= {LEAVE_SMALL} * growth_extinction_size * {sid}_survival",
        {f"{sid}_{name}": f"{sid}_{name} / {sid}_survival" for name in kept}
        | {f"{sid}_small": NONE, integral: "0"},
    )  # fmt: skip
