"""A run in words: for the terminal, and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from benchmarks.counts import KERNELS, Share, share
from benchmarks.figure import Figure
from benchmarks.limits import as_figures
from benchmarks.reasons import REASONS
from benchmarks.saved import Change, Run
from benchmarks.suites import SUITES

TITLES = {suite.name: suite.title for suite in SUITES}
IDLE = 1.0  # load from which on others are in the way
BUSY = "The machine was busy: second threads, whole jobs and bare rates come out worse than on a free one"
LIMIT_NAMES = {"fma": "multiply-adds", "triad": "memory", "L1": "L1", "L2": "L2", "L3": "L3"}


def number(value: float) -> str:
    """Three digits, thousands apart."""
    if value == 0.0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def error_of(figure: Figure) -> str:
    """Achieved error with its unit."""
    if figure.error is None:
        return ""
    return f"{number(figure.error)} {figure.error_unit}" if figure.error_unit else f"{figure.error:.1e}"


def beside(figure: Figure) -> str:
    """Ratio to the peer, with twice its standard error."""
    if figure.ratio is None:
        return ""
    noise = "" if figure.noise is None else f" ±{200.0 * figure.noise:.0f}%"
    return f"{number(figure.ratio)}×{noise} {figure.peer}"


def goal_of(figure: Figure) -> str:
    """The goal and whether it is met; the stretch where that is met too."""
    if figure.goal is None:
        return ""
    sign = "≤" if figure.at_most else "≥"
    text = f"{sign} {figure.goal:g} {'met' if figure.met else 'MISSED'}"
    stretched = figure.stretch is not None and (
        figure.judged <= figure.stretch if figure.at_most else figure.judged >= figure.stretch
    )
    return f"{text}, and {sign} {figure.stretch:g}" if figure.met and stretched else text


Cell = Callable[[Figure], str]
COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("work", lambda figure: figure.work),
    ("rate", lambda figure: number(figure.rate)),
    ("unit", lambda figure: figure.unit),
    ("error", error_of),
    ("beside", beside),
    ("goal", goal_of),
)
# a page is narrow: what is judged first
ON_A_PAGE: tuple[tuple[str, Cell], ...] = (
    ("work", lambda figure: figure.work),
    ("goal", goal_of),
    ("beside", beside),
    ("rate", lambda figure: f"{number(figure.rate)} {figure.unit}"),
    ("error", error_of),
)


def groups(figures: Sequence[Figure]) -> list[tuple[str, list[Figure]]]:
    """Figures by suite, in the order measured, under the titles of the suites."""
    return [(TITLES.get(name, name), list(rows)) for name, rows in groupby(figures, lambda figure: figure.suite)]


def shares(run: Run) -> list[Share]:
    """Every kernel beside its limit; its last figure counts, which is that of the largest size."""
    found: dict[str, Share] = {}
    for figure in run.figures:
        if figure.kernel is not None and figure.per_second is not None and run.limits:
            found[figure.kernel] = share(figure.kernel, figure.per_second, run.limits)
    return list(found.values())


def share_line(found: Share) -> str:
    """One kernel beside its limit."""
    if KERNELS[found.kernel].whole:
        return (
            f"{found.kernel}: {found.operations / 1e9:.2f} G operations/s on whole numbers, which no limit is known for"
        )
    return (
        f"{found.kernel}: {found.operations / 1e9:.2f} Gflop/s, {found.of_limit:.2f} of the "
        f"{found.allowed / 1e9:.3g} that {LIMIT_NAMES[found.by]} allows"
    )


def head_lines(run: Run) -> list[str]:
    """Machine, load, date, versions."""
    found = run.machine
    caches = ", ".join(f"{level} {size:,} KiB" for level, size in found.get("caches_kib", {}).items())
    return [
        f"{found['cpu']}, {found['cores']} cores at hand, {caches}",
        f"{found['date']}, load {found['load']} at the start, {'quick' if run.quick else 'full'} tier",
        f"Python {found['python']}, " + ", ".join(f"{name} {v}" for name, v in found["versions"].items()),
        *([BUSY] if found["load"] > IDLE else []),
    ]


def tally(figures: Sequence[Figure]) -> str:
    """How many goals are met."""
    judged = [figure.met for figure in figures if figure.met is not None]
    return f"{sum(judged)} of {len(judged)} goals met"


def text(run: Run) -> str:
    """The whole run for a terminal."""
    lines = head_lines(run)
    listed = [("The machine's own limits, one core", as_figures(run.limits))] if run.limits else []
    for title, figures in listed + groups(run.figures):
        lines += ["", title, *aligned([[cell(figure) for _, cell in COLUMNS] for figure in figures])]
    if found := shares(run):
        lines += ["", "Kernels beside these limits, one thread", *(f"  {share_line(one)}" for one in found)]
    lines += ["", *(f"left out: {name}, {why}" for name, why in run.skipped.items())]
    lines += [f"FAILED: {name}, {why}" for name, why in run.failed.items()]
    return "\n".join([*lines, tally(run.figures)])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns under one another, numbers to the right; columns empty throughout are left out."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, range(len(row)), strict=True)
        padded = [cell.rjust(width) if place == 1 else cell.ljust(width) for cell, width, place in cells if width]
        lines.append(("  " + "  ".join(padded)).rstrip())
    return lines


def comparison(changes: Sequence[Change], alone: Sequence[str] = ()) -> str:
    """What got slower or less exact, and what better; the rest, and works ``alone`` in one run, are counted."""
    lines = []
    for one in sorted(changes, key=lambda change: -change.times):
        if one.worse or one.better:
            word = ("worse" if one.worse else "better") if one.what == "error" else "slower" if one.worse else "faster"
            times = one.times if one.worse else 1.0 / one.times
            lines.append(
                f"  {times:.2f}× {word}: {one.work} ({one.what} {number(one.before)} -> {number(one.now)}; "
                f"up to {1.0 + one.noise:.2f}× is noise)"
            )
    still = sum(not one.worse and not one.better for one in changes)
    lines.append(f"  {still} of {len(changes)} unchanged within noise")
    if alone:
        lines.append(f"  {len(alone)} in one of the runs alone: {', '.join(alone[:3])}{' …' if len(alone) > 3 else ''}")
    return "\n".join(["Against the earlier run", *lines])


# --- the page -------------------------------------------------------------------------


def page(run: Run) -> str:
    """The page docs/credibility/speed.md."""
    tier = " --quick" if run.quick else ""
    lines = [
        "# Speed",
        "Written by the benchmark suite; do not edit it by hand:",
        "",
        "```sh",
        f"python -m benchmarks{tier} --page docs/credibility/speed.md",
        "```",
        "",
        "How to read it stands in `benchmarks/README.md`. *Beside* is the peer's time over ours on the same work in "
        "one interleaved run, above one where we are faster, ± two standard errors; the error is that of the very code "
        "that was timed. Goals were set before the measurement.",
        "",
        *(f"- {line}" for line in head_lines(run)),
        f"- {tally(run.figures)}",
        "",
    ]
    goals = [figure for figure in run.figures if figure.goal is not None]
    if goals:
        lines += ["## Goals", *markdown(goals), ""]
    missed = [figure for figure in goals if not figure.met]
    if missed:
        lines += ["### What is missed, and why", *(f"- *{f.work}*: {reason(f)}" for f in missed), ""]
    lines += ["## Everything measured", ""]
    for title, figures in groups(run.figures):
        lines += [f"### {title}", *markdown(figures), ""]
    lines += ["## The machine", "One core.", "", *markdown(as_figures(run.limits)), "", *roofline_table(run)]
    if run.skipped or run.failed:
        lines += ["## Left out", *(f"- {name}: {why}." for name, why in (run.skipped | run.failed).items()), ""]
    return "\n".join(lines).rstrip() + "\n"


def reason(figure: Figure) -> str:
    """Why a goal is missed, as `reasons.REASONS` has it."""
    return REASONS.get(figure.work, "no reason is known yet.")


def markdown(figures: Sequence[Figure]) -> list[str]:
    """A table; columns that are empty throughout are left out."""
    shown = [(name, cell) for name, cell in ON_A_PAGE if any(map(cell, figures))]
    lines = ["| " + " | ".join(name for name, _ in shown) + " |", "| " + " | ".join("---" for _ in shown) + " |"]
    for figure in figures:
        cells = [cell(figure).replace("|", "\\|").replace("MISSED", "**missed**") for _, cell in shown]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def roofline_table(run: Run) -> list[str]:
    """Counts of the kernels, and their share of what the machine allows."""
    found = shares(run)
    if not found:
        return []
    lines = [
        "Each kernel against what the machine allows it, the lower of arithmetic and traffic. Operations and bytes are "
        "counted by hand.",
        "",
        "| kernel | operations | bytes | limited by | share | counted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in found:
        count = KERNELS[one.kernel]
        limit = "| | |" if count.whole else f"| {LIMIT_NAMES[one.by]} | {one.of_limit:.2f} |"
        item = f"{one.kernel}, {'an' if count.item[0] in 'aeiou' else 'a'} {count.item}"
        lines.append(f"| {item} | {count.operations:.0f} | {count.bytes:.0f} {limit} {count.how} |")
    return [*lines, ""]
