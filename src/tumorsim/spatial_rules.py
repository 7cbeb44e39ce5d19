"""Rules between the blocks of a spatial scenario; see `tumorsim.rules`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final

from tumorsim.fields import value_at
from tumorsim.params.lattice_design import MAX_SHOTS, MAX_VOXELS, WHOLE, LatticeDesign, SpatialOutput, Start, whole
from tumorsim.rules import (
    Draft,
    Finding,
    arms_have_their_own_names,
    courses_agree_on_their_end,
)

LEAST_VOXELS: Final = 8  # along x and y
MAX_STEPS: Final = 2**20 - 1  # bits of a step in the id of a lymphocyte
MAX_MOVES: Final = 1000  # moves of an effector in one step
ML_PER_CUBIC_UM: Final = 1e-12


class SpatialDraft(Draft):
    """A spatial scenario that may still be faulty."""

    @property
    def cutoff(self) -> float | None:
        """Simulated time in days; None while the lattice is faulty."""
        lattice = self.lattice
        return float(lattice.duration) if lattice is not None else None

    @cached_property
    def lattice(self) -> LatticeDesign | None:
        """The lattice; None while it is faulty."""
        return self.blocks.get("lattice")

    @cached_property
    def start(self) -> Start | None:
        """The start; None while it is faulty."""
        return self.blocks.get("start")

    @cached_property
    def output(self) -> SpatialOutput | None:
        """What is stored; None while it is faulty."""
        found: SpatialOutput | None = self.blocks.get("output")
        return SpatialOutput() if found is None and value_at(self.plain, "output") is None else found


def lattice_is_of_whole_voxels(draft: SpatialDraft) -> Iterator[Finding]:
    """Every side is a whole number of voxels, enough of them and not too many."""
    lattice = draft.lattice
    if lattice is None:
        return
    cube = not isinstance(value_at(draft.plain, "lattice", "extent"), list)
    for axis, length in enumerate(lattice.extent[:1] if cube else lattice.extent):
        path = ("lattice", "extent") if cube else ("lattice", "extent", axis)
        voxels = whole(length, lattice.spacing)
        least = LEAST_VOXELS if axis < 2 else 1
        near = max(least, round(length / lattice.spacing)) * lattice.spacing
        if voxels is None:
            yield path, f'{length:g} um is no whole number of voxels of {lattice.spacing:g} um, e.g. "{near:g} um"'
        elif voxels < least:
            rule = f"must be at least {least} voxels of {lattice.spacing:g} um along {'xyz'[axis]}"
            yield path, f'{length:g} um {rule}, e.g. "{near:g} um"'
    if lattice.voxels > MAX_VOXELS:
        side = math.floor(MAX_VOXELS ** (1 / 3)) * lattice.spacing
        yield (
            ("lattice", "extent"),
            f"{lattice.voxels:.3g} voxels are more than {MAX_VOXELS:.0e}; take a smaller extent, at most "
            f'"{side / 1000:g} mm" for a cube, or one slice',
        )


def times_are_whole_steps(draft: SpatialDraft) -> Iterator[Finding]:
    """What happens at a time happens at the end of a step."""
    lattice, output = draft.lattice, draft.output
    if lattice is None:
        return
    times: list[tuple[tuple[str | int, ...], float]] = [
        (("lattice", "fields_every"), lattice.fields_every),
        (("lattice", "duration"), lattice.duration),
    ]
    if output is not None:
        times.append((("output", "interval"), output.interval))
        times += [(("output", "checkpoint"), output.checkpoint)] if output.checkpoint is not None else []
        every = output.snapshots.every
        times += [(("output", "snapshots", "every"), every)] if every is not None else []
        times += [(("output", "snapshots", i), day) for i, day in enumerate(output.snapshots.days)]
    for path, time in times:
        if whole(time, lattice.step) is None:
            rule = f"is no whole number of steps of {lattice.step * 24:g} h (lattice.step)"
            yield path, f"{time:g} day {rule}, {_whole_example(time, lattice.step)}"
    if lattice.steps > MAX_STEPS:
        rule = f"{lattice.steps} steps are more than {MAX_STEPS}"
        yield ("lattice", "duration"), f"{rule}; shorten it or take a longer lattice.step"


def _whole_example(time: float, step: float) -> str:
    """A time nearby that is a whole number of steps, or a better step where such a time looks odd."""
    near = max(1, round(time / step)) * step * 24
    return f'e.g. "{near:g} h"' if abs(near - round(near, 1)) < WHOLE else 'which the usual "1 h" divides'


def times_lie_within_the_run(draft: SpatialDraft) -> Iterator[Finding]:
    """Nothing is planned for after the end."""
    lattice, output = draft.lattice, draft.output
    if lattice is None:
        return
    end = f"the end at {lattice.duration:g} day (lattice.duration)"
    if lattice.fields_every > lattice.duration:
        yield ("lattice", "fields_every"), f'{lattice.fields_every:g} day lies after {end}, e.g. "6 h"'
    if output is None:
        return
    if output.interval > lattice.duration:
        yield (
            ("output", "interval"),
            f'{output.interval:g} day lies after {end}, e.g. "{lattice.duration / 10:.2g} day"',
        )
    days = output.snapshots.days
    for i, day in enumerate(days):
        path = ("output", "snapshots", i)
        if not 0 <= day <= lattice.duration:
            side = "after" if day > 0 else "before the start, not before"
            yield path, f'{day:g} day lies {side} {end}, e.g. "{lattice.duration:g} day"'
        elif i and day <= days[i - 1]:
            yield path, f"{day:g} day must come after {days[i - 1]:g} day; write the days in order, each once"
    every = output.snapshots.every
    if every is not None and lattice.duration / every >= MAX_SHOTS:
        number = math.floor(lattice.duration / every) + 1
        longer = lattice.duration / 20
        yield (
            ("output", "snapshots", "every"),
            f'{number} snapshots are more than {MAX_SHOTS}; take fewer, e.g. "{longer:.2g} day"',
        )


def tumour_fits_the_lattice(draft: SpatialDraft) -> Iterator[Finding]:
    """A ball must fit along x and y (along z it may be cut), a slab along x."""
    lattice, start = draft.lattice, draft.start
    if lattice is None or start is None:
        return
    path = ("start", "diameter")
    if start.tumour == "filled":
        if start.diameter > 0:
            yield path, "a filled lattice has no diameter; leave it out, or write tumour: sphere"
        return
    room = lattice.extent[0] if start.tumour == "slab" else min(lattice.extent[:2])
    what = "thickness of the slab" if start.tumour == "slab" else "diameter of the sphere"
    example = f'e.g. "{0.6 * room / 1000:.2g} mm"'
    if start.diameter <= 0:
        yield path, f"is missing (the {what}), {example}"
    elif start.diameter > room:
        along = "along x" if start.tumour == "slab" else "along x or y"
        yield path, f"the {what}, {start.diameter:g} um, is more than the lattice has {along}, {room:g} um, {example}"
    elif start.diameter < 2 * lattice.spacing:
        yield path, f"the {what}, {start.diameter:g} um, is less than two voxels of {lattice.spacing:g} um, {example}"


def lesion_holds_its_sample(draft: SpatialDraft) -> Iterator[Finding]:
    """The lattice is a sample of the lesion, so the lesion is not the smaller one."""
    lattice, start = draft.lattice, draft.start
    if lattice is None or start is None:
        return
    volume = tumour_volume(lattice, start) * ML_PER_CUBIC_UM
    if start.lesion_volume < volume * (1 - 1e-9):
        rule = f"is less than the tumour of the lattice, {volume:.2g} mL, which is a sample of it"
        yield ("start", "lesion_volume"), f'{start.lesion_volume:g} mL {rule}, e.g. "5 mL"'


def tumour_volume(lattice: LatticeDesign, start: Start) -> float:
    """Volume inside the tumour's margin, um3: of the lattice, the slab, or the ball cut by the faces along z."""
    x, y, z = lattice.extent
    if start.tumour == "filled":
        return x * y * z
    if start.tumour == "slab":
        return min(start.diameter, x) * y * z
    radius = start.diameter / 2
    if lattice.shape[0] == 1:
        return math.pi * radius**2 * z
    half = min(radius, z / 2)
    return 2 * math.pi * (radius**2 * half - half**3 / 3)


def vessels_have_room(draft: SpatialDraft) -> Iterator[Finding]:
    """Vessels side by side leave no tissue."""
    lattice, start = draft.lattice, draft.start
    if lattice is None or start is None:
        return
    inherited = start.vessel_spacing_inside == start.vessel_spacing
    for key in ("vessel_spacing",) if inherited else ("vessel_spacing", "vessel_spacing_inside"):
        distance = getattr(start, key)
        if distance < 2 * lattice.spacing:
            rule = f"{distance:g} um must be at least two voxels of {lattice.spacing:g} um"
            yield ("start", key), f'{rule}, e.g. "150 um"'


def effectors_move_in_few_steps(draft: SpatialDraft) -> Iterator[Finding]:
    """A lymphocyte that moves a thousand voxels an hour needs coarser voxels or shorter steps."""
    lattice, tissue = draft.lattice, draft.blocks.get("tissue")
    if lattice is None or tissue is None:
        return
    coefficient = tissue.motility.coefficient.value
    moves = 6.0 * coefficient * lattice.step / lattice.spacing**2
    if moves > MAX_MOVES:
        most = MAX_MOVES * lattice.spacing**2 / (6.0 * lattice.step * 1440)
        rule = f"needs {moves:.3g} moves in a step of {lattice.step * 24:g} h, more than {MAX_MOVES}"
        yield ("tissue", "motility", "coefficient"), f'{rule}; at most "{most:.3g} um**2/min", e.g. "10 um**2/min"'


def blood_carries_oxygen(draft: SpatialDraft) -> Iterator[Finding]:
    """Tissue that dies beside an open vessel is a slip of a unit."""
    tissue = draft.blocks.get("tissue")
    if tissue is not None and tissue.oxygen.necrosis_oxygen.value >= tissue.oxygen.blood_oxygen.value:
        limit = f"{tissue.oxygen.blood_oxygen.value:g} mmHg (tissue.oxygen.blood_oxygen)"
        rule = f"{tissue.oxygen.necrosis_oxygen.value:g} mmHg must be below the oxygen of blood, {limit}"
        yield ("tissue", "oxygen", "necrosis_oxygen"), f'{rule}, e.g. "1 mmHg"'


def treatments_act_on_a_lattice(draft: SpatialDraft) -> Iterator[Finding]:
    """What removes a lesion, or waits for an assessment, has no meaning here."""
    for path, treatment in draft.treatments:
        if treatment.KEY in ("resection", "ablation"):
            rule = f"{treatment.KEY} removes whole lesions, of which a lattice is a sample"
            yield path, f"{rule}; leave it out, or use a trial (scenario: 1)"
        elif getattr(treatment, "on_demand", False):
            rule = "sessions on demand follow the images of a trial, and a lattice has none"
            yield (*path, "on_demand"), f"{rule}; write a schedule, e.g. schedule: once"
        share = getattr(treatment.definition, "cytostatic_share", None)
        if share is not None and share.value != 0:
            rule = "on a lattice an effector kills or does nothing, so this must be 0"
            yield (*path, "infusion", "cytostatic_share"), f"{share.value:g}: {rule}"


def treatments_start_before_the_end(draft: SpatialDraft) -> Iterator[Finding]:
    """A treatment that no lattice can receive is a slip of a unit."""
    end = draft.cutoff
    for path, treatment in draft.treatments:
        if end is not None and treatment.first_day >= end:
            rule = f"lies after the end at {end:g} day (lattice.duration); it would never be given"
            yield (*path, "start"), f'day {treatment.first_day:g} {rule}, e.g. "0 day"'


def products_have_their_own_names(draft: SpatialDraft) -> Iterator[Finding]:
    """Results count effectors by the name of their product."""
    seen: dict[str, Any] = {}
    for path, treatment in draft.treatments:
        if treatment.POOL != "products":
            continue
        if seen.setdefault(treatment.name, treatment.definition) != treatment.definition:
            rule = f'another product with other parameters is called "{treatment.name}"'
            yield (*path, "infusion"), f"{rule}; give this one its own, e.g. name: {treatment.name}_2"


RULES: tuple[Callable[[Any], Iterator[Finding]], ...] = (
    lattice_is_of_whole_voxels,
    times_are_whole_steps,
    times_lie_within_the_run,
    tumour_fits_the_lattice,
    lesion_holds_its_sample,
    vessels_have_room,
    effectors_move_in_few_steps,
    blood_carries_oxygen,
    arms_have_their_own_names,
    treatments_act_on_a_lattice,
    products_have_their_own_names,
    treatments_start_before_the_end,
    courses_agree_on_their_end,
)


def findings(draft: SpatialDraft) -> Iterator[Finding]:
    """What every rule finds."""
    for rule in RULES:
        yield from rule(draft)
