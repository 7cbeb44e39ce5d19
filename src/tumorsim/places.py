"""Where a value of a resolved study stands: from a path as people write it to places in the tree, and back.

A path is that of ``--set`` (``population.patients``, ``arms.cik.treatments.0.dose``), or
``drug.NAME.key``, ``infusion.NAME.key``, ``tace.NAME.key`` for a value of a library entry
wherever the study uses it.
"""

from __future__ import annotations

from typing import Any

from tumorsim.fields import has, value_at

Route = tuple[str | int, ...]
ENTRIES = ("drug", "infusion", "tace")


def routes(plain: Any, path: str) -> list[Route]:
    """Every place of a resolved scenario that ``path`` means; parameters without their ``value``."""
    parts = path.split(".")
    if parts[0] in ENTRIES and len(parts) >= 3:
        return [
            (*route, *parts[2:])
            for route in _entries(plain, parts[0], parts[1])
            if has_path(plain, (*route, *parts[2:]))
        ]
    route: list[str | int] = []
    node = plain
    for part in parts:
        key: str | int = part
        if isinstance(node, list):
            named = [i for i, item in enumerate(node) if isinstance(item, dict) and item.get("name") == part]
            if not named and not part.isdigit():
                return []
            key = named[0] if named else int(part)
        if not has(node, key):
            return []
        node = value_at(node, key)
        route.append(key)
    return [tuple(route)]


def has_path(plain: Any, route: Route) -> bool:
    """Whether something stands at ``route``."""
    for part in route:
        if not has(plain, part):
            return False
        plain = value_at(plain, part)
    return True


def _entries(plain: Any, kind: str, name: str, route: Route = ()) -> list[Route]:
    found: list[Route] = []
    children = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, child in children:
        here = (*route, key)
        if key == kind and isinstance(child, dict) and child.get("name") == name:
            found.append(here)
        found += _entries(child, kind, name, here)
    return found


def setting_path(plain: Any, route: Route) -> str:
    """A place as ``--set`` writes it, items of lists by their name where they have one."""
    parts = []
    for part in route:
        child = value_at(plain, part)
        named = isinstance(part, int) and isinstance(child, dict) and isinstance(child.get("name"), str)
        parts.append(str(child["name"] if named else part))
        plain = child
    return ".".join(parts)
