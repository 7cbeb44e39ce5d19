"""Which arms a figure compares, and the hazard ratios of its subgroups."""

from __future__ import annotations

from tumorsim.figures.base import FigureError, StudyView
from tumorsim.statistics import subgroups
from tumorsim.statistics.subgroups import Subgroup, heterogeneity_p

__all__ = ["Subgroup", "compared_arms", "heterogeneity_p", "subgroup_effects"]


def compared_arms(view: StudyView, arm: str | None) -> tuple[int, int]:
    """Places of an arm and of its reference; by default the first comparison of the study.

    Raises
    ------
    FigureError
        One arm only, an unknown arm, or the reference itself.
    """
    names = view.data.arms
    if len(names) < 2:
        raise FigureError("forest: a hazard ratio needs two arms, and this study has one")
    pairs = {c["arm"]: c["reference"] for c in view.summary["comparisons"]} or {names[1]: names[0]}
    chosen = next(iter(pairs)) if arm is None else arm
    if chosen not in pairs:
        raise FigureError(f"arm: {chosen!r} is not compared with a reference; compared are: {', '.join(pairs)}")
    return names.index(chosen), names.index(pairs[chosen])


def subgroup_effects(view: StudyView, endpoint: str, arm: str | None = None) -> list[Subgroup]:
    """All patients first, then every level of every covariate that has at least two levels in this study."""
    return subgroups.subgroup_effects(view.data, endpoint, *compared_arms(view, arm))
