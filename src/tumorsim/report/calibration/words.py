"""The sentences of a calibration's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tumorsim.figures.calibration.base import STAGES, Outcome
from tumorsim.figures.calibration.reading import (
    IDENTIFIABLE,
    WEAK,
    Target,
    in_sampling_errors,
    is_log,
    knowledge,
    label_of,
    numbers,
    role,
    row_name,
)
from tumorsim.figures.style import number
from tumorsim.figures.targets import verdict
from tumorsim.report.words import KINDS, count, listed

RULE = (
    f"A parameter is called identifiable where the standard deviation of its posterior is at most "
    f"{100 * (1 - IDENTIFIABLE):.0f}% of its prior's (shrinkage of {100 * IDENTIFIABLE:.0f}% or more), weakly "
    f"identifiable from {100 * WEAK:.0f}%, and not identifiable below: there the value still is the prior's, and any "
    "other value of the prior would do as well."
)
LIMITATIONS = (
    "The fit chose these values because they give these figures. Agreement with a fitted figure is no evidence that "
    "the mechanism is right; only figures that had no part in the fit can speak for it or against it.",
    "Posterior intervals hold the uncertainty of the free parameters alone. The values held fixed and the form of the "
    "model are uncertain too, and no interval here contains that.",
    "The reported figures of one study depend on one another: the median, the share without an event and the hazard "
    "ratio are read off the same curves. The search takes them as independent, with small weights for repeated "
    "readings chosen before the fit; the posterior compares whole simulated studies and so keeps the dependence.",
    "Approximate Bayesian computation accepts studies near the reported one, not only equal ones, and its posterior is "
    "wider than the exact one.",
    "Two mechanisms that give the same figures cannot be told apart by them. A rival that fits as well is as possible.",
)
ABSENT_KINDS = "could be fitted and was left out: a check on the fit"
# a parameter takes part in a direction from this weight (of unit length)
PART = 0.3
OPEN, KNOWN = "left open by the figures", "fixed by the figures"


def missing(stage: str) -> str:
    """What the page says of a stage that the calibration did not run."""
    return f"This calibration has no {STAGES[stage]}: the stage was not run."


def in_short(outcome: Outcome) -> list[str]:
    """The calibration in a few sentences."""
    fitted = [one for one in outcome["targets"] if role(one) == "fitted"]
    studies = len(outcome["studies"] or [])
    of = f" of {count(studies, 'study', 'studies')}" if studies else ""
    free = count(len(outcome["parameters"]), "free parameter")
    said = [f"{free}, {count(len(fitted), 'fitted figure')}{of}."]
    said.append(agreement(outcome["targets"]))
    known = identified(outcome)
    if known:
        said.append(known)
    for text in together(outcome):
        said.append(text)
    return said


def agreement(targets: Sequence[Target]) -> str:
    """How many figures the fit meets: those it saw, those it could have seen, those never judged."""
    parts = []
    for name, what in (("fitted", "fitted figure"), ("not fitted", "figure left out of the fit")):
        chosen = [verdict(one) for one in targets if role(one) == name]
        judged = [one for one in chosen if one != "shown only"]
        if judged:
            agree = judged.count("agrees")
            parts.append(f"of {count(len(judged), what, _plural(what))}, {agree} {_agree(agree)}")
    never = sum(verdict(one) == "shown only" for one in targets)
    if not parts:
        return "No reported figure is compared."
    said = "; ".join(parts)
    return said[0].upper() + said[1:] + (f"; {never} more {_is(never)} shown and never judged." if never else ".")


def _plural(what: str) -> str:
    return what.replace("figure", "figures", 1)


def _agree(n: int) -> str:
    return "agrees" if n == 1 else "agree"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def in_sentence(label: str) -> str:
    """A label inside a sentence: ``deposit size`` for ``Deposit size``, while ``CIK kill rate`` stays."""
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def identified(outcome: Outcome) -> str:
    """Which parameters are identifiable, weakly, or not."""
    names: dict[str, list[str]] = {}
    for one in outcome["parameters"]:
        names.setdefault(knowledge(one["shrinkage"]), []).append(in_sentence(label_of(one)))
    words = {"identifiable": "Identifiable", "weakly": "weakly", "not identifiable": "not"}
    parts = [f"{word}: {listed(names[key])}" for key, word in words.items() if key in names]
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "." if parts else ""


def directions(outcome: Outcome) -> list[tuple[str, float | None, str]]:
    """Combinations of parameters with their shrinkage, and what the figures say about each."""
    posterior = outcome["posterior"] or {}
    found = []
    for one in posterior.get("directions") or ():
        shrinkage = one["shrinkage"]
        says = "–" if shrinkage is None else KNOWN if shrinkage >= IDENTIFIABLE else "weakly known"
        found.append(
            (combination(outcome, one["weights"]), shrinkage, OPEN if says != "–" and shrinkage < WEAK else says)
        )
    return found


def _members(weights: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """Parameters with a part in a direction, the largest first and positive."""
    held = [(name, weight) for name, weight in weights.items() if weight is not None and abs(weight) >= PART]
    held.sort(key=lambda pair: -abs(pair[1]))
    sign = -1.0 if held and held[0][1] < 0 else 1.0
    return [(name, sign * weight) for name, weight in held]


def combination(outcome: Outcome, weights: Mapping[str, float | None]) -> str:
    """A direction in words: ``kill rate ↑ 0.71, recruitment ↓ 0.71``."""
    labels = {one["name"]: label_of(one) for one in outcome["parameters"]}
    parts = [f"{labels.get(name, name)} {'↑' if w > 0 else '↓'} {abs(w):.2f}" for name, w in _members(weights)]
    return ", ".join(parts) or "no parameter stands out"


def together(outcome: Outcome) -> list[str]:
    """Pairs and groups of parameters that only a product, a ratio or a combination of is known.

    A direction left open shows that its parameters make up for each other only where another combination
    of them is fixed by the figures; otherwise nothing of them is known, which `identified` says.
    """
    rows = {one["name"]: one for one in outcome["parameters"]}
    found = (outcome["posterior"] or {}).get("directions") or ()
    fixed = [{n for n, _ in _members(d["weights"])} for d in found if (d["shrinkage"] or 0.0) >= IDENTIFIABLE]
    said = []
    for one in found:
        members = [(rows[name], weight) for name, weight in _members(one["weights"]) if name in rows]
        names_here = {row["name"] for row, _ in members}
        if one["shrinkage"] is None or one["shrinkage"] >= WEAK or not any(len(names_here & f) > 1 for f in fixed):
            continue
        names = listed([in_sentence(label_of(row)) for row, _ in members])
        names = names[0].upper() + names[1:]
        what = "a combination"
        if len(members) == 2 and all(is_log(row) for row, _ in members):
            what = "a product" if members[0][1] * members[1][1] < 0 else "a ratio"
        said.append(f"{names} are known together only, as {what}: they can make up for each other.")
    return said


def method(outcome: Outcome) -> str:
    """How the posterior was made, and how many particles it is worth."""
    posterior = outcome["posterior"]
    weights = numbers(posterior["weights"] or [1.0] * len(posterior["particles"]))
    total = float((weights**2).sum())
    effective = float(weights.sum()) ** 2 / total if total > 0 else 0.0
    worth = f"{count(len(weights), 'particle')}, worth {effective:,.0f} of equal weight"
    said = f"{posterior['method'] or 'Posterior'}: {worth}"
    if posterior["distance"]:
        said += f"; distance: {posterior['distance']}"
    return said + ("; adjusted by regression for what distance remained." if posterior["adjusted"] else ".")


def search(outcome: Outcome) -> str:
    """What the search did."""
    found, loss = outcome["optimise"], outcome["loss"] or {}
    rows = found["evaluations"]
    failed = sum(bool(one["failed"]) or one["loss"] is None for one in rows)
    said = [f"{count(len(rows), 'evaluation')} of CMA-ES, each generation with common random numbers of its own"]
    if found["generations"]:
        said.append(f"{count(found['generations'], 'generation')} of {found['population'] or '?'}")
    said.append(f"{failed or 'none'} failed")
    text = ", ".join(said) + "."
    if loss.get("start") is not None and loss.get("best") is not None:
        text += f" The loss is {loss['start']:.2f} at the start and {loss['best']:.2f} at the end"
        fresh = [one for one in loss.get("fresh") or () if one is not None]
        if fresh:
            text += f"; on {count(len(fresh), 'fresh seed')} it is {listed([f'{one:.2f}' for one in fresh])}"
        text += "."
    return text


def recovered(outcome: Outcome) -> str:
    """Whether the intervals keep what they promise."""
    found = outcome["recovery"]
    level = 0.9 if found["level"] is None else found["level"]
    off = [
        in_sentence(label_of(row)) if row else one["name"]
        for one in found["parameters"]
        for row in [next((p for p in outcome["parameters"] if p["name"] == one["name"]), None)]
        if one["coverage_ci"] and None not in one["coverage_ci"]
        if not one["coverage_ci"][0] <= level <= one["coverage_ci"][1]
    ]
    sets = f" on {count(found['datasets'], 'synthetic study', 'synthetic studies')}" if found["datasets"] else ""
    text = f"{found['method'] or 'Recovery of known parameters'}{sets}. "
    if off:
        return text + f"The {100 * level:.0f}% intervals do not hold what they promise for {listed(off)}."
    return text + f"No parameter's coverage differs from the promised {100 * level:.0f}% by more than chance."


def rival_sentences(outcome: Outcome) -> list[str]:
    """One sentence a rival: what it misses most among the fitted figures."""
    said = []
    for rival in outcome["rivals"] or ():
        label = rival["label"] or rival["name"]
        z = rival["z"] or [
            in_sampling_errors(one, value)
            for one, value in zip(outcome["targets"], rival["targets"] or [None] * len(outcome["targets"]), strict=True)
        ]
        seen = [
            (abs(far), far, row)
            for far, row in zip(numbers(z), outcome["targets"], strict=True)
            if role(row) == "fitted" and far == far
        ]
        how = "fitted again" if rival["refitted"] else "at the values of the fit"
        text = f"{label} ({how})"
        if seen:
            far, signed, row = max(seen, key=lambda one: one[0])
            side = "above" if signed > 0 else "below"
            text += f": farthest is {row['id']}, {row_name(row, outcome)}, {number(far, 1)} sampling errors {side}"
            outside = sum(one[0] > 1.6448536269514722 for one in seen)
            text += f"; {outside} of {count(len(seen), 'fitted figure')} outside the 90% band"
        said.append(text + ".")
    return said


def why(target: Target) -> str:
    """Why a figure had no part in the fit; its weight when it had."""
    if role(target) == "fitted":
        return f"fitted, {target['fit_weight']:g}"
    if role(target) == "not fitted":
        return ABSENT_KINDS
    return f"not fitted: {KINDS.get(str(target['kind']), 'no fit may use it').removesuffix(': shown, never fitted')}"


def spent(seconds: float) -> str:
    """A time as people say it: ``12 s``, ``36 min``, ``2.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
