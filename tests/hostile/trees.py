"""Trees of YAML and JSON, changed at random: leaves, keys, shape. All follows from the generator that is given."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

Route = tuple[str | int, ...]

UNITS = (
    *("day", "h", "month", "year", "mg", "g", "cells", "cell", "mm", "um", "%", "1/day", "1/month", "1e3/uL", "kg"),
    *("kg^2", "day**9", "day^999", "m/s", "furlong", "(", "day)", "1/", "1/1/day", "°C", "µm", "day day", "9**9**9"),
)
TEXTS = (
    "", " ", "~", "null", "yes", "true", "NaN", ".inf", "-", "- ", ":", "#", "'", '"', "\\", "${HOME}", "%s%s%n", "{}",
    "../../etc/passwd", "/etc/passwd", "C:\\a", "file:///etc/passwd", "a/b", "..", "a" * 201, "x" * 4000, "é" * 90,
    "\u00df\u0130\ufb01", "\u0645\u0631\u062d", "\U0001f9ec", "\u202eabc", "a\x00b", "\x1b[2J", "\u2028",
    "a\nb", "\ud7ff",
    "day 1", "q1w", "4 x q1w", "999999 x q1d", "continuous", "day 1-14 of 21", "1e8 cells", "0 cells", "rfs.hr",
    "os.rmst(6 month)", "os.hr(", "deaths", "trial.cutoff=1 day", "=", "a=b", "arms.0.dose=1 mg", "hcc", "cik",
    "sorafenib", "ctace", "adjuvant", "advanced", "grid", "sobol", "lognormal", "spatial", "control",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 0.5, 1e-300, 1e300, -1e9, 10**18, 2**31, 2**63, 2**64, 10**40, 0.1 + 0.2, -0.0, 1e16)


def routes(tree: Any, at: Route = ()) -> Iterator[Route]:
    """Every place of a tree, the root first."""
    yield at
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in items:
        yield from routes(child, (*at, key))


def get(tree: Any, route: Route) -> Any:
    """What stands at a place."""
    for part in route:
        tree = tree[part]
    return tree


def put(tree: Any, route: Route, value: Any) -> Any:
    """The tree with another value at a place."""
    if not route:
        return value
    get(tree, route[:-1])[route[-1]] = value
    return tree


def quantity(luck: random.Random) -> str:
    """A number and a unit, often wrong."""
    number = luck.choice(
        [f"{10 ** luck.uniform(-9, 12):.4g}", str(luck.randrange(-9, 400)), "1e999", "nan", "0x1f", "1_000", "--1"]
    )
    return f"{number}{luck.choice([' ', ' ', ' ', '', '  ', chr(160)])}{luck.choice(UNITS)}"


def anything(luck: random.Random, depth: int = 0) -> Any:
    """A leaf of any kind, or a small tree."""
    kind = luck.randrange(9 if depth < 3 else 7)
    if kind < 2:
        return quantity(luck)
    if kind == 2:
        return luck.choice(NUMBERS)
    if kind == 3:
        return luck.choice([None, True, False])
    if kind == 4:
        return "".join(chr(luck.choice((luck.randrange(32, 127), luck.randrange(161, 0xD7FF)))) for _ in range(9))
    if kind < 7:
        return luck.choice(TEXTS)
    if kind == 7:
        return [anything(luck, depth + 1) for _ in range(luck.choice((0, 1, 2, 3, 40)))]
    return {luck.choice(TEXTS) or "k": anything(luck, depth + 1) for _ in range(luck.choice((0, 1, 2, 12)))}


def near(luck: random.Random, value: Any) -> Any:
    """Something much like a value: the same kind, another size, unit or spelling."""
    if isinstance(value, bool) or value is None:
        return luck.choice([True, False, None, 0, "yes"])
    if isinstance(value, int | float):
        return luck.choice([-value, value * 1e3, value + 1, value / 7, 0, str(value), f"{value} day", f"{value} %"])
    if isinstance(value, str):
        number, _, unit = value.partition(" ")
        return luck.choice(
            [value + " ", value.upper(), value[:-1], value + "x", value[::-1], f"{number} {luck.choice(UNITS)}",
             f"-{value}", f"{luck.choice(NUMBERS)} {unit}", [value], {"value": value}, value * 30]
        )  # fmt: skip
    return anything(luck)


def leaf(luck: random.Random, tree: Any, _: Any) -> Any:
    """Another leaf."""
    places = [route for route in routes(tree) if not isinstance(get(tree, route), dict | list)]
    if not places:
        return anything(luck)
    route = luck.choice(places)
    return put(tree, route, near(luck, get(tree, route)) if luck.random() < 0.6 else anything(luck))


def reshape(luck: random.Random, tree: Any, words: list[str]) -> Any:
    """A key dropped, added, renamed or doubled, a branch moved, wrapped, repeated or made a leaf."""
    route = luck.choice(list(routes(tree)))
    if not route:
        return tree
    parent, key, value = get(tree, route[:-1]), route[-1], get(tree, route)
    what = luck.randrange(8)
    if what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, dict):
        parent[luck.choice(words)] = anything(luck)
    elif what == 2 and isinstance(parent, dict):
        parent[luck.choice([luck.choice(words), str(key)[:-1] or "x", str(key).upper()])] = parent.pop(key)
    elif what == 3:
        other = luck.choice(list(routes(tree)))
        parent[key] = json.loads(json.dumps(get(tree, other)))
    elif what == 4:
        for _ in range(luck.choice((1, 2, 30, 31, 33, 60))):
            value = luck.choice([{"a": value}, [value]])
        parent[key] = value
    elif what == 5:
        parent[key] = [value] * luck.choice((0, 2, 17, 40))
    elif what == 6:
        parent[key] = anything(luck)
    elif isinstance(parent, list):
        parent += [json.loads(json.dumps(value)) for _ in range(luck.choice((1, 3, 30)))]
    return tree


def block(tree: Any, luck: random.Random, indent: int = 0) -> str:
    """YAML of a tree, in block style mixed with flow style; texts in quotes."""
    pad = "  " * indent
    if indent > 34 or (indent and luck.random() < 0.15) or not isinstance(tree, dict | list) or not tree:
        return f" {json.dumps(tree, ensure_ascii=luck.random() < 0.5)}\n"
    lines = []
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        head = f"{key if isinstance(key, str) and key.isidentifier() else json.dumps(str(key))}:"
        lines.append(f"{pad}{head if isinstance(tree, dict) else '-'}{block(tree[key], luck, indent + 1)}")
    return ("\n" if indent else "") + "".join(lines)
