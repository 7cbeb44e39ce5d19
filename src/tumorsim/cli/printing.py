"""Tables of the command line: a finished study, a plan, the library.

Imported only by the verb that prints, since Rich takes a while to load.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tumorsim.cli.console import live, printable

if TYPE_CHECKING:
    from tumorsim.figures.base import Kind
    from tumorsim.library import LibraryEntry

NOT_FOR_CLINIC = "Hypothesis-generating simulation: not for clinical use."
WIDE = 200  # columns of a log or a pipe: a table there takes the width it needs
NARROW = 100  # below this, arms go by name instead of label
MISSING = "–"
NOT_REACHED = "n.r."

ENDPOINT_LABELS = {
    "ttr_paper": "TTR, as published",
    "pfs_mrecist": "PFS, mRECIST",
    "ttp_mrecist": "TTP, mRECIST",
    "resistance": "resistant majority",
    "resistant_regrowth": "resistant regrowth",
}
TARGET_NOTES = (
    "inside: the reported figure lies in the interval, where 9 of 10 studies of its size would fall if the model held.",
    "close: the simulated figure lies within the stated tolerance or range. n.r.: not reached.",
    "kind: CAL and SOFT may be fitted; CON contradicts its own source and is shown only.",
)

RESPONSES = ("CR", "PR", "SD", "PD", "NE")
UNITS = {"1": "", "month": "months", "patient": "patients", "cell": "cells", "um": "µm"}

Row = Mapping[str, Any]


def stdout() -> Console:
    """Console on stdout: plain text unless stdout is a terminal, and never markup from a file."""
    terminal = live(sys.stdout)
    return Console(
        file=sys.stdout,
        force_terminal=terminal,
        no_color=None if terminal else True,
        width=None if terminal else WIDE,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )


def number(value: float | None, digits: int = 1) -> str:
    """A number for a table; a dash if it is missing."""
    return MISSING if value is None or value != value else f"{value:,.{digits}f}"


def significant(value: float | None) -> str:
    """A figure with the digits its size deserves: 0.72, 44.0, 114."""
    if value is None or value != value:
        return MISSING
    size = abs(value)
    return number(value, 2 if size < 9.995 else 1 if size < 99.95 else 0)


def interval(ends: Sequence[float | None] | None, digits: int | None = 1) -> str:
    """``30.1–44.0``, ``30.1–n.r.`` where the upper end was not reached; a dash if both are missing."""
    if ends is None or all(end is None for end in ends):
        return MISSING
    low, high = (NOT_REACHED if end is None else _digits(end, digits) for end in ends)
    negative = any(end is not None and end < 0 for end in ends)
    return f"{low} to {high}" if negative else f"{low}–{high}"


def with_interval(value: float | None, ends: Sequence[float | None] | None, digits: int | None = 1) -> str:
    """``37.0 (30.1–44.0)``; ``n.r.`` where the value was not reached."""
    shown = NOT_REACHED if value is None else _digits(value, digits)
    return shown if ends is None or all(end is None for end in ends) else f"{shown} ({interval(ends, digits)})"


def _digits(value: float | None, digits: int | None) -> str:
    return significant(value) if digits is None else number(value, digits)


def percent(share: float | None, ends: Sequence[float | None] | None = None) -> str:
    """A fraction and its interval as percentages, without the sign."""
    if share is None:
        return MISSING
    return with_interval(100.0 * share, None if ends is None else [_times_100(end) for end in ends])


def p_value(p: float | None) -> str:
    """A P value as journals print it."""
    if p is None:
        return MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def table(*columns: str, title: str = "", right: Iterable[str] = ()) -> Table:
    """An empty table in the house style; ``right`` names the columns of numbers, which are never broken."""
    made = Table(
        box=SIMPLE_HEAD,
        title=title or None,
        title_justify="left",
        title_style="bold",
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    numbers = set(right)
    for column in columns:
        numeric = column in numbers
        made.add_column(column, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    return made


def endpoints_table(summary: Row, short: bool = False) -> Table:
    """Per end point and arm: events, median, hazard ratio with its two errors, log-rank P."""
    numbers = ("events/n", "median, months\n(95% CI)", "HR\n(95% CI)", "MC\nerror", "log-rank\nP")
    made = table("arm", *numbers, title="End points", right=numbers)
    compared = {(row["endpoint"], row["arm"]): row for row in summary["comparisons"]}
    references = {row["reference"] for row in summary["comparisons"]}
    for name in dict.fromkeys(name for arm in summary["arms"] for name in arm["endpoints"]):
        made.add_row(Text(ENDPOINT_LABELS.get(name, name.upper()), "bold"))
        for arm in summary["arms"]:
            found = arm["endpoints"].get(name)
            if found is None:
                continue
            events = f"{found['events']}/{found.get('n', arm['n'])}"
            median = with_interval(found["median"], found["median_ci"], None)
            ratio = compared.get((name, arm["name"]))
            made.add_row(_arm(arm, short), events, median, *_ratio(ratio, arm["name"] in references))
    return made


def _ratio(row: Row | None, reference: bool) -> tuple[str, str, str]:
    """Hazard ratio with the study's error, the Monte-Carlo error of this run, and the log-rank P."""
    if row is None:
        return "reference" if reference else "", "", ""
    if row["hr"] is None:
        return printable(row.get("reason") or MISSING), "", p_value(row["p_logrank"])
    error = MISSING if row["mc_se"] is None else f"±{number(row['mc_se'], 3)}"
    return with_interval(row["hr"], row["ci"], 2), error, p_value(row["p_logrank"])


def _arm(arm: Row, short: bool) -> str:
    return "  " + printable(arm["name"] if short else arm["label"])


def counts_table(summary: Row, short: bool = False) -> Table:
    """Per arm: recurrences or progressions, deaths by cause, treatment received."""
    event = "recurrences" if summary["setting"] == "adjuvant" else "progressions"
    numbers = (event, "deaths", "of\ntumour", "of\nliver", "other", "infusions,\nmean", "cells,\nmean")
    made = table("arm", *numbers, title="Counts by data cut-off", right=numbers)
    for arm in summary["arms"]:
        deaths = [arm["deaths"][cause] for cause in ("tumour", "liver", "other")]
        cells = arm["cells_mean"]
        made.add_row(
            _arm(arm, short),
            *(f"{count:,}" for count in (arm["recurrences"], sum(deaths), *deaths)),
            number(arm["infusions_mean"]),
            f"{cells:.2e}" if cells else MISSING,
        )
    return made


def response_table(summary: Row, short: bool = False) -> Table | None:
    """Per arm and criteria: best responses, ORR, best-response and confirmed DCR with exact intervals."""
    rates = ("ORR, %\n(95% CI)", "DCR, best\nresponse, %", "DCR,\nconfirmed, %")
    made = table("arm", *RESPONSES, *rates, title="Best response", right=(*RESPONSES, *rates))
    for rule, title in (("recist", "RECIST 1.1"), ("mrecist", "mRECIST")):
        rows = [arm for arm in summary["arms"] if (arm.get("response") or {}).get(rule)]
        if rows:
            made.add_row(Text(title, "bold"))
        for arm in rows:
            found = arm["response"][rule]
            shares = [percent(found[name], found[f"{name}_ci"]) for name in ("orr", "dcr_best", "dcr_confirmed")]
            shares = [share.replace(" (", "\n(") if short else share for share in shares]
            made.add_row(_arm(arm, short), *(f"{found[name]:,}" for name in RESPONSES), *shares)
    return made if made.row_count else None


def matching_table(summary: Row, short: bool = False) -> Table | None:
    """Hazard ratios and medians before and after matching; None when the study is not matched."""
    told = summary.get("matching")
    if not told:
        return None
    names = {arm["name"]: _arm(arm, short).strip() for arm in summary["arms"]}
    medians = [f"median,\n{names[told[who]]}" for who in ("arm", "reference")]
    numbers = ("patients", "events", "HR\n(95% CI)", "log-rank\nP", *medians)
    made = table("analysis", *numbers, title="Before and after matching", right=numbers)
    for row in told["endpoints"]:
        made.add_row(Text(ENDPOINT_LABELS.get(row["endpoint"], row["endpoint"].upper()), "bold"))
        for side, said in (("before", "  all patients"), ("after", f"  {told['pairs']:,} pairs")):
            found = row[side]
            ratio = printable(found["reason"]) if found["hr"] is None else with_interval(found["hr"], found["ci"], 2)
            counts = [" and ".join(f"{one:,}" for one in found[key]) for key in ("n", "events")]
            reached = [NOT_REACHED if median is None else number(median) for median in found["medians"]]
            made.add_row(said, *counts, ratio, p_value(found["p_logrank"]), *reached)
    return made


def balance_table(summary: Row) -> Table | None:
    """Standardised differences before and after matching; None when the study is not matched."""
    from tumorsim.params.design import COVARIATE_LABELS

    told = summary.get("matching")
    if not told:
        return None
    numbers = ("before", "after")
    made = table("covariate", *numbers, title="Standardised mean differences", right=numbers)
    for row in told["balance"]:
        name = COVARIATE_LABELS.get(row["covariate"], printable(row["covariate"]))
        made.add_row(name, *(number(row[side], 2) for side in numbers))
    return made


def targets_table(targets: Sequence[Row], short: bool = False) -> Table:
    """Simulated against reported figures; ``short`` sets intervals and arms on a second line."""
    numbers = ("reported\n(95% CI)", "simulated\n(90% interval)")
    made = table("id", "quantity", *numbers, "inside", "close", "kind", right=numbers)
    made.title = "Beside the reported figures"
    gap = "\n" if short else " "
    for target in targets:
        digits = 0 if target["unit"] == "patient" else None
        target, unit = _in_percent(target)
        matched = "matched" if target.get("analysis") == "matched" else ""
        parts = (target["arm"] or "all arms", matched, printable(target.get("subgroup") or ""), unit)
        about = ", ".join(part for part in parts if part)
        made.add_row(
            printable(target["id"]),
            printable(f"{target['quantity']}{gap}[{about}]"),
            _reported(target, digits).replace(" (", f"{gap}("),
            with_interval(target["simulated"], target["interval"], digits).replace(" (", f"{gap}("),
            yes_no(target["within"]),
            yes_no(target.get("within_tolerance")),
            printable(target["kind"]),
        )
    return made


def _in_percent(target: Row) -> tuple[Row, str]:
    """The target and its unit; a fraction becomes a percentage."""
    from tumorsim.params.targets import read_quantity

    if not read_quantity(target["quantity"]).rule.fraction:
        return target, UNITS.get(target["unit"], printable(target["unit"]))
    scaled = dict(target)
    for key in ("reported", "simulated"):
        scaled[key] = _times_100(target[key])
    for key in ("reported_ci", "reported_range", "interval"):
        ends = target.get(key)
        scaled[key] = None if ends is None else [_times_100(end) for end in ends]
    return scaled, "%"


def _times_100(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def _reported(target: Row, digits: int | None) -> str:
    if target.get("reported_range") is not None:
        return interval(target["reported_range"], digits)
    return with_interval(target["reported"], target["reported_ci"], digits)


def yes_no(holds: bool | None) -> str | Text:
    """Yes, no, or a dash where it cannot be said."""
    if holds is None:
        return MISSING
    return Text("yes", "green") if holds else Text("no", "red")


def sources(targets: Sequence[Row]) -> list[str]:
    """One line a source and weight: where the reported figures come from, and how much they weigh."""
    ids: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        ids.setdefault((printable(target["source"]), printable(target["weight"])), []).append(printable(target["id"]))
    return [f"{', '.join(dict.fromkeys(names))} (weight {weight}): {source}" for (source, weight), names in ids.items()]


def print_study(summary: Row) -> None:
    """The whole answer of a run, from its summary."""
    console = stdout()
    short = console.width < NARROW
    arms = "each in every arm" if summary["allocation"] == "twins" else "each in one arm"
    console.print(printable(summary["title"]), style="bold")
    console.print(f"{summary['patients']:,} virtual patients, {arms}, seed {summary['seed']}\n")
    tables = (endpoints_table(summary, short), counts_table(summary, short), response_table(summary, short))
    for made in (*tables, matching_table(summary, short), balance_table(summary)):
        if made is not None:
            console.print(made)
            console.print()
    if not summary["targets"]:
        return
    console.print(targets_table(summary["targets"], short))
    console.print()
    for line in (*TARGET_NOTES, *sources(summary["targets"])):
        console.print(line, style="dim")
    console.print()


def print_figures(figures: Iterable[Kind[Any]]) -> None:
    """Kinds of figure and their options."""
    console = stdout()
    made = table("kind", "of", "shows", "options")
    for figure in figures:
        options = [f"{o.name}={'|'.join(map(str, o.choices)) or o.default or '...'}" for o in figure.options]
        made.add_row(figure.name, figure.source, figure.description, "\n".join(options))
    console.print(made)


def print_library(entries: Iterable[LibraryEntry]) -> None:
    """Names of the library, with how many parameters were measured, fitted or assumed."""
    console = stdout()
    statuses = ("measured", "fitted", "assumed")
    made = table("kind", "name", "what it is", *statuses, right=statuses)
    for entry in entries:
        held = [row.status for row in entry.rows]
        made.add_row(entry.kind, entry.name, entry.label, *(str(held.count(status) or "") for status in statuses))
    console.print(made)
    console.print("\ntumorsim library NAME shows every parameter with its unit, range, source and status.")


def print_entry(entry: LibraryEntry) -> None:
    """Every parameter of one entry, and the sources below."""
    console = stdout()
    console.print(f"{entry.name}: {entry.label}  ({entry.kind})", style="bold")
    if entry.note:
        console.print(entry.note)
    console.print()
    sources = list(dict.fromkeys(row.source for row in entry.rows if row.source))
    fitted = any(row.interval for row in entry.rows)
    made = table(
        "parameter", "symbol", "value", "range", *(["90 % interval"] if fitted else []), "cv", "status", "source"
    )
    for row in entry.rows:
        made.add_row(
            row.path,
            row.symbol,
            row.value,
            " to ".join(row.range),
            *([" to ".join(row.interval)] if fitted else []),
            f"{row.cv:.0%}" if row.cv else "",
            row.status,
            f"[{sources.index(row.source) + 1}]" if row.source else "",
        )
    console.print(made)
    console.print()
    for place, source in enumerate(sources, start=1):
        console.print(f"[{place}] {source}", soft_wrap=True)
    notes = [row for row in entry.rows if row.note]
    if notes:
        console.print("\nNotes", style="bold")
    for row in notes:
        console.print(f"{row.path}: {row.note}", soft_wrap=True)
