"""Rules between the blocks of a scenario.

A rule is a function of a `Draft` that yields paths and messages. It runs as soon
as the blocks it needs are valid, so that one faulty block does not hide what is
wrong between the others. To add one, write it and put its name into `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tumorsim.fields import value_at
from tumorsim.interventions.base import Intervention
from tumorsim.interventions.events import roster_of, stop_rules
from tumorsim.interventions.treatment import treatment_class
from tumorsim.library import suggestion
from tumorsim.params.targets import ENDPOINT_SETTINGS, Target, target_problems
from tumorsim.yamlio import Route

Finding = tuple[Route, str]


@dataclass(frozen=True)
class Draft:
    """A scenario that may still be faulty.

    Attributes
    ----------
    plain
        The plain tree.
    blocks
        The blocks that are valid, by key.
    """

    plain: Any
    blocks: Mapping[str, Any]

    @property
    def arm_names(self) -> list[str | None]:
        """Name of every arm as written; None where it is no text."""
        named = [value_at(arm, "name") for arm in _list(value_at(self.plain, "arms"))]
        return [name if isinstance(name, str) else None for name in named]

    @property
    def setting(self) -> str | None:
        """``adjuvant`` or ``advanced``; None while that is faulty."""
        setting = value_at(self.plain, "population", "setting")
        return setting if setting in ("adjuvant", "advanced") else None

    @property
    def cutoff(self) -> float | None:
        """Longest follow-up in days; None while the design is faulty."""
        trial = self.blocks.get("trial")
        return float(trial.cutoff) if trial is not None else None

    @cached_property
    def treatments(self) -> list[tuple[Route, Intervention]]:
        """Every valid treatment with its path."""
        found: list[tuple[Route, Intervention]] = []
        if "arms" in self.blocks:
            for i, arm in enumerate(self.blocks["arms"]):
                found += [(("arms", i, "treatments", j), given) for j, given in enumerate(arm.treatments)]
            return found
        for i, arm in enumerate(_list(value_at(self.plain, "arms"))):
            for j, raw in enumerate(_list(value_at(arm, "treatments"))):
                try:
                    found.append((("arms", i, "treatments", j), treatment_class(raw).model_validate(raw)))
                except ValueError:  # reported by the validation of the whole
                    continue
        return found

    def targets(self) -> Iterator[tuple[int, Target]]:
        """Every valid target with its place in the list."""
        if "targets" in self.blocks:
            yield from enumerate(self.blocks["targets"])
            return
        for i, raw in enumerate(_list(value_at(self.plain, "targets"))):
            try:
                yield i, Target.model_validate(raw)
            except ValueError:
                continue


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def arms_have_their_own_names(draft: Draft) -> Iterator[Finding]:
    """Two arms of one name could not be told apart."""
    seen: dict[str, int] = {}
    for i, name in enumerate(draft.arm_names):
        if name is None:
            continue
        if name in seen:
            yield ("arms", i, "name"), f'"{name}" is the name of arms[{seen[name]}] already; give each arm its own name'
        seen.setdefault(name, i)


def endpoints_are_known(draft: Draft) -> Iterator[Finding]:
    """End points must exist, once each, and fit the setting."""
    fitting = [
        name for name, settings in ENDPOINT_SETTINGS.items() if draft.setting is None or draft.setting in settings
    ]
    seen: list[str] = []
    for i, name in enumerate(_list(value_at(draft.plain, "endpoints"))):
        if not isinstance(name, str):
            continue
        if name not in ENDPOINT_SETTINGS:
            near = suggestion(name, fitting)
            yield ("endpoints", i), f'"{name[:40]}" is no end point{near}; valid are {", ".join(fitting)}'
        elif name not in fitting:
            yield ("endpoints", i), f"{name} is no {draft.setting} end point; those are {', '.join(fitting)}"
        elif name in seen:
            yield ("endpoints", i), f"{name} stands twice; remove one"
        seen.append(name)


def targets_fit_the_arms(draft: Draft) -> Iterator[Finding]:
    """Targets name arms that exist, compare two of them, and fit the setting."""
    names, numbered = draft.arm_names, list(draft.targets())
    if not names or None in names:
        return
    valid = [target for _, target in numbered]
    for place, key, message in target_problems(valid, [str(name) for name in names], draft.setting):
        yield ("targets", numbered[place][0], key), message


def visits_happen_before_the_cutoff(draft: Draft) -> Iterator[Finding]:
    """A trial without an assessment has no recurrence, progression or response."""
    trial = draft.blocks.get("trial")
    if trial is None:
        return
    path = ("trial", "visits", "schedule")
    try:
        days = trial.visits.schedule.visits(trial.cutoff)
    except ValueError as error:
        yield path, str(error)
        return
    if days.size == 0:
        yield path, f"the first visit lies after the cut-off at {trial.cutoff:g} day; shorten the interval, e.g. q3mo"
    elif trial.visits.jitter * 2 >= days[0]:
        yield (
            ("trial", "visits", "jitter"),
            f"a window of +-{trial.visits.jitter:g} day lets visits {days[0]:g} day apart overlap; "
            f'it must be < half the interval, e.g. "{days[0] / 8:.2g} day"',
        )


def treatments_start_before_the_cutoff(draft: Draft) -> Iterator[Finding]:
    """A treatment that nobody can receive is a slip of a unit."""
    cutoff = draft.cutoff
    for path, treatment in draft.treatments:
        if cutoff is not None and treatment.first_day >= cutoff:
            rule = f"lies after the cut-off at {cutoff:g} day; nobody would receive it"
            yield (*path, "start"), f'day {treatment.first_day:g} {rule}, e.g. "0 day"'


def treatments_have_a_plan(draft: Draft) -> Iterator[Finding]:
    """The schedule must be one that can be carried out until the cut-off."""
    cutoff = draft.cutoff
    for path, treatment in draft.treatments:
        if cutoff is None or treatment.first_day >= cutoff:
            continue
        try:
            treatment.planned(cutoff)
        except ValueError as error:
            yield (*path, "schedule"), str(error)


def courses_agree_on_their_end(draft: Draft) -> Iterator[Finding]:
    """Progression ends the giving of a thing, whichever course it belongs to."""
    arms: dict[Any, list[Intervention]] = {}
    for path, treatment in draft.treatments:
        earlier = arms.setdefault(path[1], [])
        earlier.append(treatment)
        try:
            stop_rules(earlier, roster_of([earlier]))
        except ValueError as error:
            yield (*path, "until"), str(error)
            earlier.pop()


def ratio_fits_the_arms(draft: Draft) -> Iterator[Finding]:
    """Patients per arm: one positive number an arm, and only when randomised."""
    trial = draft.blocks.get("trial")
    if trial is None or not trial.ratio:
        return
    path, arms = ("trial", "ratio"), draft.arm_names
    if trial.allocation != "randomised":
        yield path, "ratio needs allocation: randomised; with twins every virtual patient enters every arm"
    elif arms and len(trial.ratio) != len(arms):
        example = ", ".join(["1"] * len(arms))
        yield path, f"has {len(trial.ratio)} numbers for {len(arms)} arms; write one number an arm, e.g. [{example}]"
    elif min(trial.ratio) <= 0:
        yield path, "every number must be > 0, e.g. [1, 1]"


def randomised_patients_fill_the_arms(draft: Draft) -> Iterator[Finding]:
    """Each arm of a randomised trial needs a patient."""
    trial, population = draft.blocks.get("trial"), draft.blocks.get("population")
    if trial is None or population is None or trial.allocation != "randomised":
        return
    if population.patients < len(draft.arm_names):
        yield (
            ("population", "patients"),
            f"{population.patients} patients cannot be randomised to {len(draft.arm_names)} arms; "
            f"at least {len(draft.arm_names)} are needed, e.g. 500",
        )


def assignment_fits_the_arms(draft: Draft) -> Iterator[Finding]:
    """An observational cohort compares one treated arm with the reference, and says who is treated."""
    trial, names = draft.blocks.get("trial"), draft.arm_names
    if trial is None:
        return
    path, observational = ("trial", "assignment"), trial.allocation == "observational"
    if observational and trial.assignment is None:
        yield (
            ("trial", "allocation"),
            "observational needs an assignment, who is treated, e.g. assignment: {arm: cik, share: 44 %}",
        )
    elif not observational and trial.assignment is not None:
        yield path, f"assignment needs allocation: observational; with {trial.allocation} leave it out"
    if not observational or trial.assignment is None or not names or None in names:
        return
    if len(names) != 2:
        yield ("trial", "allocation"), f"observational compares two arms, the reference first, not {len(names)}"
    elif trial.assignment.arm not in names:
        near = suggestion(trial.assignment.arm, [str(name) for name in names])
        yield (*path, "arm"), f'"{trial.assignment.arm[:40]}" is no arm{near}; the treated arm is {names[1]}'
    elif trial.assignment.arm == names[0]:
        yield (*path, "arm"), f'"{names[0]}" is the reference, which must not be treated; write "{names[1]}"'


def membership_can_be_told(draft: Draft) -> Iterator[Finding]:
    """Whoever counts as treated by a first infusion needs one in the plan."""
    trial = draft.blocks.get("trial")
    if trial is None or trial.assignment is None or trial.assignment.membership != "received":
        return
    names = draft.arm_names
    arm = names.index(trial.assignment.arm) if trial.assignment.arm in names else None
    if arm is None or "arms" not in draft.blocks:
        return
    if not any(route[1] == arm and given.KEY == "infusion" for route, given in draft.treatments):
        yield (
            ("trial", "assignment", "membership"),
            f'"received" counts from the first cell infusion, and arm {names[arm]} has none; write "intended"',
        )


def matching_needs_an_observational_cohort(draft: Draft) -> Iterator[Finding]:
    """Arms made by lot, or of the same patients, have nothing to match."""
    trial = draft.blocks.get("trial")
    if trial is not None and trial.matching is not None and trial.allocation != "observational":
        rule = f"matching needs allocation: observational; with {trial.allocation} the arms are alike already"
        yield ("trial", "matching"), rule


def matched_targets_have_a_matching(draft: Draft) -> Iterator[Finding]:
    """A matched figure is compared with a matched analysis."""
    trial = draft.blocks.get("trial")
    if trial is None or trial.matching is not None:
        return
    for i, target in draft.targets():
        if target.analysis == "matched":
            example = "matching: {covariates: [multiple_tumours, diameter]}"
            yield ("targets", i, "analysis"), f"matched needs trial.matching, e.g. {example}"


def salvage_fits_the_setting(draft: Draft) -> Iterator[Finding]:
    """Curative re-treatment is for recurrence after curative treatment."""
    salvage = draft.blocks.get("after_progression")
    if salvage is not None and draft.setting == "advanced" and salvage.curative_probability > 0:
        yield (
            ("after_progression", "curative_probability"),
            "curative re-treatment belongs to setting adjuvant; with setting advanced it must be 0",
        )


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    arms_have_their_own_names,
    endpoints_are_known,
    targets_fit_the_arms,
    visits_happen_before_the_cutoff,
    treatments_start_before_the_cutoff,
    treatments_have_a_plan,
    courses_agree_on_their_end,
    ratio_fits_the_arms,
    randomised_patients_fill_the_arms,
    assignment_fits_the_arms,
    membership_can_be_told,
    matching_needs_an_observational_cohort,
    matched_targets_have_a_matching,
    salvage_fits_the_setting,
)


def findings(draft: Draft) -> Iterator[Finding]:
    """What every rule finds."""
    for rule in RULES:
        yield from rule(draft)
