"""What a run will do, before it does it: arms, doses, visits, time and disk."""

from __future__ import annotations

import math
import os
from typing import Any, Final

from tumorsim.memory import machine_memory
from tumorsim.scenario import Arm, Scenario
from tumorsim.units import MONTH, YEAR

# Processor time of `run_trial` per patient-year of the longest possible follow-up, measured on
# both shipped scenarios with 2,000 patients on one core of a busy server with 512-bit vectors. Advanced patients
# have more lesions and denser visits. Only the estimate that `check` prints rests on these.
SECONDS_PER_PATIENT_YEAR: Final = {"adjuvant": 6e-5, "advanced": 2.2e-4}
_ALLOCATED: Final = {"observational": "each in one arm, not randomised"}
# imports, loading of compiled kernels, statistics and writing of the result
SECONDS_BASE: Final = 3.0

# A block is some minutes of one core: what a kill can cost. More patients at a time are not simulated faster.
MOST_IN_BLOCK: Final = 10_000
FEWEST_IN_BLOCK: Final = 500
SHARE_OF_MEMORY: Final = 16  # a block takes at most so little of the machine's
# Bytes beside the arrays themselves, measured (docs/how-to/run-a-large-cohort.md): libraries and compiled kernels; of a
# patient while simulated (events, lesions, traits); of a patient in the statistics at the end, all arms.
BYTES_BASE: Final = 450_000_000
BYTES_SIMULATED: Final = 12_000
BYTES_SUMMARISED: Final = 500


class PlanError(ValueError):
    """A run that this machine cannot do; the message says what it needs."""


def plan(scenario: Scenario, threads: int | None = None, block: int | None = None) -> dict[str, Any]:
    """Plan of a run as one JSON-able mapping.

    Parameters
    ----------
    scenario
        What to run.
    threads
        Threads of the run; every core if None.
    block
        Patients simulated at a time; as many as suit the machine if None.

    Returns
    -------
    dict
        Times in months; ``total`` of a treatment in ``unit``, None where the dose is
        what manufacture yields; ``seconds``, ``bytes`` (of the result) and ``memory`` (bytes) are estimates. ``block``
        patients are simulated at a time.
    """
    trial, population = scenario.trial, scenario.population
    visits = int(trial.visits.schedule.visits(trial.cutoff).size)
    entered = population.patients * (len(scenario.arms) if trial.allocation == "twins" else 1)
    patient_years = entered * (trial.cutoff - trial.accrual / 2.0) / YEAR
    workers = threads or os.cpu_count() or 1
    size = block or block_size(scenario)
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "digest": scenario.digest,
        "seed": scenario.seed,
        "setting": population.setting,
        "allocation": trial.allocation,
        "patients": population.patients,
        "disease": scenario.disease.label or scenario.disease.name,
        "arms": [arm_plan(arm, trial.cutoff) for arm in scenario.arms],
        "follow_up": {"shortest": (trial.cutoff - trial.accrual) / MONTH, "longest": trial.cutoff / MONTH},
        "visits": visits,
        "endpoints": list(scenario.endpoints),
        "targets": len(scenario.targets),
        "patient_years": patient_years,
        "threads": workers,
        "seconds": SECONDS_BASE + patient_years * SECONDS_PER_PATIENT_YEAR[population.setting] / workers,
        "bytes": _bytes(scenario),
        "block": size,
        "memory": _memory(scenario, size),
    }


def arm_plan(arm: Arm, cutoff: float) -> dict[str, Any]:
    """Name, label and treatments of an arm, with what is planned for one patient until the cut-off."""
    treatments = []
    for treatment in arm.treatments:
        doses, total = treatment.planned(cutoff)
        dose = getattr(treatment, "dose", None)
        treatments.append(
            {
                "kind": treatment.KEY,
                "name": treatment.name,
                "text": treatment.describe(),
                "doses": doses,
                "total": total if math.isfinite(total) else None,
                "unit": getattr(dose, "unit", "") if dose is not None else "",
            }
        )
    return {"name": arm.name, "label": arm.title, "treatments": treatments}


def _bytes(scenario: Scenario, patients: int | None = None, without: tuple[str, ...] = ()) -> int:
    """Size of the arrays of all or so many patients before compression, in bytes, ``without`` those of some axes."""
    from tumorsim.variables import VARIABLES

    patients = scenario.population.patients if patients is None else patients
    sizes = {
        "patient": patients,
        "arm": len(scenario.arms),
        "visit": int(scenario.trial.visits.schedule.visits(scenario.trial.cutoff).size) + 1,  # baseline
        "trace": min(scenario.output.traced_patients, patients),
        "time": int(scenario.trial.cutoff / scenario.output.interval) + 1,
    }
    counted = (v for v in VARIABLES if not set(v.dims) & set(without))
    return sum(8 * math.prod(sizes.get(name, 1) for name in variable.dims) for variable in counted)


def block_size(scenario: Scenario) -> int:
    """Patients that are simulated at a time: so many that a kill costs little, and fewer where memory is short."""
    room = min(machine_memory(), 1e15) / SHARE_OF_MEMORY / _bytes_simulated(scenario, 1)
    return max(FEWEST_IN_BLOCK, min(MOST_IN_BLOCK, int(room)))


def _bytes_simulated(scenario: Scenario, patients: int) -> int:
    """Memory of patients while they are simulated; results are there twice, as the kernel fills and as a file."""
    return 2 * _bytes(scenario, patients, ("time",)) + patients * BYTES_SIMULATED


def _memory(scenario: Scenario, block: int) -> int:
    """Memory of a run, in bytes: of one block, then of the statistics, for which what visits measured is on disk."""
    patients = scenario.population.patients
    on_disk = ("time", "visit") if patients > block else ("time",)
    summarised = _bytes(scenario, patients, on_disk) + patients * len(scenario.arms) * BYTES_SUMMARISED
    return BYTES_BASE + max(_bytes_simulated(scenario, min(block, patients)), summarised)


def check_memory(scenario: Scenario, block: int) -> None:
    """Refuse, before anything is simulated, what could not be summarised in the end.

    Raises
    ------
    PlanError
        The run needs more memory than the machine has.
    """
    need, there = _memory(scenario, block), machine_memory()
    if need > there:
        patients = scenario.population.patients
        raise PlanError(
            f"{patients:,} patients in {len(scenario.arms)} arms need about {size_text(need)} of memory for the "
            f"statistics at the end, and this machine has {size_text(there)}; take fewer with --patients, or run it "
            "where there is more"
        )


def plan_text(planned: dict[str, Any]) -> str:
    """The plan as lines for people; ``planned`` is what `plan` gave."""
    span = planned["follow_up"]
    twins = planned["allocation"] == "twins"
    lines = [
        f"{planned['scenario']}: {planned['title']}",
        f"  disease     {planned['disease']}, setting {planned['setting']}",
        f"  patients    {planned['patients']} virtual patients, "
        + ("each in every arm" if twins else _ALLOCATED.get(planned["allocation"], "randomised to one arm each"))
        + f", seed {planned['seed']}",
        f"  follow-up   {span['shortest']:.4g} to {span['longest']:.4g} months, {planned['visits']} visits at most",
        f"  end points  {', '.join(planned['endpoints'])}; {_figures(planned['targets'])} to compare with",
    ]
    for arm in planned["arms"]:
        lines.append(f"  arm {arm['name']}: {arm['label']}")
        lines += [f"    - {treatment_text(treatment)}" for treatment in arm["treatments"]] or ["    - nothing"]
    lines.append(
        f"  cost        {planned['patient_years']:,.0f} patient-years, about {seconds_text(planned['seconds'])} "
        f"on {planned['threads']} threads; at most {size_text(planned['bytes'])} on disk"
        + (", and as much until it is written" if planned["patients"] > planned["block"] else "")
        + f"; about {size_text(planned['memory'])} of memory"
    )
    if planned["patients"] > planned["block"]:
        blocks = -(-planned["patients"] // planned["block"])
        lines.append(f"  blocks      {blocks:,} of {planned['block']:,} patients, each kept as soon as it is done")
    return "\n".join(lines)


def _figures(number: int) -> str:
    return f"{number or 'no'} reported figure{'' if number == 1 else 's'}"


def treatment_text(treatment: dict[str, Any]) -> str:
    """One treatment of `arm_plan` as a line for people."""
    doses, total, unit = treatment["doses"], treatment["total"], treatment["unit"]
    noun = {"drug": "doses", "infusion": "infusions", "tace": "sessions"}.get(treatment["kind"], "procedures")
    said = f"at most {doses} {noun if doses != 1 else noun[:-1]}"
    return f"{treatment['text']} ({said}" + (f", {total:.3g} {unit}" if unit and total is not None else "") + ")"


def seconds_text(seconds: float) -> str:
    """A time in the unit that suits it: ``45 s``, ``12 min``, ``3.0 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size_text(size: float) -> str:
    """A size in the unit that suits it: ``12 MB``."""
    for unit in ("B", "KB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:.3g} GB"
