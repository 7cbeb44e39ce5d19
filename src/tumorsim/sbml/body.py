"""The body in the terms of SBML: drugs, effectors, memory, liver reserve, hazards of death."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tumorsim.kernels.layout import Records
from tumorsim.params.cell_product import CellModel
from tumorsim.params.disease import KERNEL_PROCESSES, Disease
from tumorsim.params.drug import DrugModel
from tumorsim.params.tace import TaceModel
from tumorsim.sbml.system import System, identifier, product, total
from tumorsim.sbml.units import number, positive

CAUSES = ("tumour", "liver", "other")
COMPARTMENTS = {"blood": "blood", "lung": "lung", "liver": "liver", "rest": "spleen, marrow and other tissue"}
# what a drug does, as an Emax law each: effect, ceiling, concentration of half effect
EFFECTS = {
    "birth_inhibition": ("Share of births prevented", "proliferation_emax", "proliferation_ec50", "1"),
    "cytotoxicity": ("Direct killing", "cytotoxic_rate", "cytotoxic_ec50", "1/day"),
    "vessel_blockade": ("Share of sprouting prevented", "vessel_emax", "vessel_ec50", "1"),
    "effector_suppression": (
        "Share of effector killing lost", "effector_suppression_emax", "effector_suppression_ec50", "1",
    ),
    "occupancy": ("Antigen occupied by antibody", "opsonisation_emax", "opsonisation_ec50", "1"),
}  # fmt: skip


@dataclass(frozen=True)
class Names:
    """Identifiers of what is given, by place."""

    drugs: Sequence[str]
    products: Sequence[str]
    procedures: Sequence[str]

    @classmethod
    def of(cls, drugs: Sequence[DrugModel], products: Sequence[CellModel], procedures: Sequence[TaceModel]) -> Names:
        """One identifier for each; a second of the same name gets a number."""
        taken: dict[str, int] = {}

        def one(name: str) -> str:
            sid = identifier(name)
            taken[sid] = taken.get(sid, 0) + 1
            return sid if taken[sid] == 1 else f"{sid}_{taken[sid]}"

        return cls(*([one(x.name) for x in pool] for pool in (drugs, products, procedures)))


def add_parameters(
    system: System, names: Names, disease: Disease,
    roster: tuple[Sequence[DrugModel], Sequence[CellModel], Sequence[TaceModel]],
    traits: Records, records: tuple[Records, Records],
) -> None:  # fmt: skip
    """Every parameter of the patient, and the constants that carry units only."""
    system.constant("one_cell", "One cell", "cell", 1.0)
    system.constant("one_ml", "One millilitre", "mL", 1.0)
    system.constant("one_cm", "One centimetre, edge of a millilitre", "mm", 10.0)
    system.constant("nmol_per_mmol", "nmol in a mmol", "nmol/mmol", 1e6)
    for name in KERNEL_PROCESSES:
        declared = getattr(disease, name)
        system.process(name, declared, {one: float(traits[name][one]) for one in declared.names()})
    system.constant("age", "Age in years", "1", float(traits["age"]))
    system.constant("cirrhosis", "1 with cirrhosis, else 0", "1", float(traits["cirrhosis"]))
    system.constant("reserve_at_entry", "Liver reserve at entry", "1", float(traits["reserve"]))
    for sids, pool, values in zip((names.drugs, names.products), roster[:2], records, strict=True):
        for sid, declared, row in zip(sids, pool, values, strict=True):
            system.process(sid, declared, {one: float(row[one]) for one in declared.names()})
    for sid, procedure in zip(names.procedures, roster[2], strict=True):
        system.process(sid, procedure, {one: getattr(procedure, one).value for one in procedure.names()})


def add_drug(system: System, sid: str, amounts: Sequence[float], intake: float, first_dose: float) -> None:
    """One drug: disposition (eqs P1, P2) and what it does at its concentration (eq. P3)."""
    system.switch(f"{sid}_intake", f"Intake of {sid} now", "mg/day", intake)
    clearance = f"{sid}_clearance"
    if np.isfinite(first_dose):
        system.constant(f"{sid}_first_dose", f"Day of the first dose of {sid}", "day", first_dose)
        on = f"time - {sid}_first_dose"
        risen = f"{sid}_clearance * (1 + {sid}_clearance_rise * (1 - exp(-({on}) / {sid}_clearance_rise_time)))"
        clearance = f"piecewise({sid}_clearance, time <= {sid}_first_dose, {risen})"
    system.law(f"{sid}_clearance_now", f"Clearance of {sid} now (eq. P2)", "L/day", clearance)
    system.law(f"{sid}_level", f"{sid} in plasma", "mg/L", f"{sid}_central / {sid}_volume")
    system.law(
        f"{sid}_concentration", f"Total concentration of {sid} in plasma", "nmol/L",
        f"{sid}_level / {sid}_molar_mass * nmol_per_mmol",
    )  # fmt: skip
    system.law(
        f"{sid}_exchange", f"{sid} going to the peripheral compartment (eq. P1)", "mg/day",
        f"{sid}_intercompartmental_clearance * ({sid}_level - {sid}_peripheral / {sid}_peripheral_volume)",
    )  # fmt: skip
    saturable = f"{sid}_max_elimination * {sid}_level / ({sid}_level + {sid}_half_elimination)"
    system.law(
        f"{sid}_elimination", f"{sid} eliminated (eq. P1)", "mg/day",
        f"{sid}_clearance_now * {sid}_level + {saturable}",
    )  # fmt: skip
    entering = f"{sid}_bioavailability * {sid}_intake"
    system.state(
        f"{sid}_central", f"{sid} in the central compartment", "mg", amounts[0],
        f"{entering} - {sid}_elimination - {sid}_exchange",
    )  # fmt: skip
    system.state(f"{sid}_peripheral", f"{sid} in the peripheral compartment", "mg", amounts[1], f"{sid}_exchange")
    for effect, (doc, ceiling, half, unit) in EFFECTS.items():
        level = f"{sid}_concentration"
        system.law(
            f"{sid}_{effect}", f"{doc} by {sid} (eq. P3)", unit,
            f"{sid}_{ceiling} * {level} / ({level} + {sid}_{half})",
        )  # fmt: skip


def add_drug_effects(system: System, drugs: Sequence[str]) -> None:
    """What all drugs do together: what escapes every one is the product of what escapes each (eq. P4)."""
    for effect in ("birth_inhibition", "vessel_blockade"):
        doc = EFFECTS[effect][0]
        for clone, share in (("sensitive", ""), ("resistant", "{}_resistant_sensitivity * ")):
            escapes = [f"1 - {share.format(sid)}{sid}_{effect}" for sid in drugs]
            system.law(
                f"{effect}_{clone}", f"{doc} in {clone} cells by all drugs (eq. P4)", "1", f"1 - {product(escapes)}"
            )
    none = number(0.0, "1/day")
    system.law(
        "drug_killing_sensitive", "Direct killing of sensitive cells by all drugs", "1/day",
        total([f"{sid}_cytotoxicity" for sid in drugs], none),
    )  # fmt: skip
    system.law(
        "drug_killing_resistant", "Direct killing of resistant cells by all drugs", "1/day",
        total([f"{sid}_resistant_sensitivity * {sid}_cytotoxicity" for sid in drugs], none),
    )  # fmt: skip
    system.law(
        "effector_function", "Killing that drugs leave to effectors (eq. P4)", "1",
        product([f"1 - {sid}_effector_suppression" for sid in drugs]),
    )  # fmt: skip
    system.law(
        "opsonisation", "Antigen occupied by antibodies (eq. P4)", "1",
        f"1 - {product([f'1 - {sid}_occupancy' for sid in drugs])}",
    )  # fmt: skip
    system.law(
        "drug_stress", "Drug effect that drives switching to resistance (eq. R2)", "1",
        "1 - (1 - birth_inhibition_sensitive) * (1 - vessel_blockade_sensitive)",
    )  # fmt: skip


def add_product(system: System, sid: str, cells: Sequence[float], lesions: Sequence[str]) -> None:
    """One cell product in the body (eq. E1), and what makes it stronger (eq. K5)."""
    system.law(
        f"{sid}_receptor_gain", f"Rise of killing by {sid} through CD16 and a CAR (eq. K5)", "1",
        f"1 + {sid}_adcc_gain * {sid}_cd16_fraction * opsonisation + {sid}_car_gain",
    )  # fmt: skip
    back = f"{sid}_liver_return_rate * {sid}_liver + {sid}_rest_return_rate * {sid}_rest"
    taken = "".join(f" - {lesion}_{sid}_entering" for lesion in lesions)
    out = f"({sid}_liver_uptake_rate + {sid}_rest_uptake_rate + {sid}_death_rate) * {sid}_blood"
    rates = {
        "blood": f"{sid}_lung_release_rate * {sid}_lung + {back} - {out}{taken}",
        "lung": f"-({sid}_lung_release_rate + {sid}_death_rate) * {sid}_lung",
        "liver": f"{sid}_liver_uptake_rate * {sid}_blood - ({sid}_liver_return_rate + {sid}_death_rate) * {sid}_liver",
        "rest": f"{sid}_rest_uptake_rate * {sid}_blood - ({sid}_rest_return_rate + {sid}_death_rate) * {sid}_rest",
    }
    for (place, doc), value in zip(COMPARTMENTS.items(), cells, strict=True):
        system.state(f"{sid}_{place}", f"{sid} in {doc} (eq. E1)", "cell", value, rates[place])


def add_host(
    system: System, products: Sequence[str], lesions: Sequence[str], tail: Sequence[float], limits: Sequence[float]
) -> None:
    """Memory (eq. M1), liver reserve (eqs L1, L2) and cumulative hazards (eqs H1 to H5)."""
    system.law(
        "tumour_volume", "Volume of all lesions", "mL", total([f"{one}_volume" for one in lesions], number(0.0, "mL"))
    )
    system.law(
        "antigen_release", "Tumour cells cleared, all lesions", "cell/day",
        total([f"growth_dead_clearance_rate * {one}_dead" for one in lesions], number(0.0, "cell/day")),
    )  # fmt: skip
    system.law(
        "helpers", "Infused effectors in liver and other tissue that help priming", "cell",
        total([f"{sid}_liver + {sid}_rest" for sid in products], number(0.0, "cell")),
    )  # fmt: skip
    system.law(
        "priming", "Priming of memory cells (eq. M1)", "1/day",
        "memory_expansion_rate * antigen_release / (antigen_release + memory_half_antigen)"
        " * (1 + memory_helper_gain * helpers / (helpers + memory_helper_half))",
    )  # fmt: skip
    system.state(
        "memory", "Memory CD8 T cells against their ceiling (eq. M1)", "1", tail[0],
        "priming * (1 - memory) - memory_loss_rate * memory",
    )  # fmt: skip
    decline = "liver_decline_rate + liver_cirrhosis_decline_rate * cirrhosis"
    system.law("reserve_decline", "Decline of the liver reserve without tumour", "1/day", decline)
    system.state(
        "liver_reserve", "Liver reserve (eq. L1)", "1", tail[1],
        "-(reserve_decline + liver_tumour_cost * tumour_volume) * liver_reserve",
    )  # fmt: skip
    system.law(
        "background_reserve", "Liver reserve had there been no tumour (eq. L2)", "1",
        "reserve_at_entry * exp(-reserve_decline * time)",
    )  # fmt: skip
    for sid, reserve, doc in (
        ("liver_failure", "liver_reserve", "Hazard of liver failure (eq. H2)"),
        ("background_failure", "background_reserve", "Hazard of liver failure had there been no tumour (eq. H2)"),
    ):
        system.law(sid, doc, "1/day", f"hazards_liver_rate * exp(hazards_liver_slope * (0.5 - {reserve}))")
    system.law(
        "excess_failure", "Liver failure that is the tumour's (eq. H5)", "1/day",
        positive("liver_failure - background_failure", "1/day"),
    )  # fmt: skip
    system.law(
        "relative_burden", "Tumour volume over its half burden, to the power gamma (eq. H1)", "1",
        "(tumour_volume / hazards_tumour_half_burden) ^ hazards_tumour_exponent",
    )  # fmt: skip
    rates = (
        "hazards_tumour_rate * relative_burden / (1 + relative_burden) + excess_failure",
        "liver_failure - excess_failure",
        "hazards_other_rate * exp(hazards_age_slope * (age - 55))",
    )
    system.switch("death_cause", "0 alive, 1 dead by tumour, 2 by liver, 3 by other causes", "1", 0.0)
    system.switch("death_day", "Day of death; 0 while alive", "day", 0.0)
    for cause, value, rate, limit in zip(CAUSES, tail[2:], rates, limits, strict=True):
        sid = f"{cause}_cumulative_hazard"
        system.state(sid, f"Cumulative hazard of death, {cause}", "1", value, rate)
        system.constant(
            f"{cause}_death_limit", f"Cumulative hazard at which the patient dies, {cause} (eq. H4)", "1", limit,
            "Drawn for this patient from the exponential law of rate one",
        )  # fmt: skip
        system.event(
            f"death_{cause}", f"Death, {cause} (eq. H4)",
            f"death_cause < 0.5 && {sid} >= {cause}_death_limit",
            {"death_cause": str(1 + CAUSES.index(cause)), "death_day": "time"},
        )  # fmt: skip
