"""Writing library entries into a scenario, so that it needs no library afterwards."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from tumorsim import library
from tumorsim.fields import LIBRARY, Place, longest_list, options
from tumorsim.interventions.base import Intervention
from tumorsim.overlay import lay
from tumorsim.yamlio import Node, Problem, Route, problem_at


class _Done:
    """What became of the mappings and lists of a tree; nodes are never changed, so what was done once stays so.

    The points of a sweep share all of their trees but what a point sets, and all scenarios share the entries of the
    library.
    """

    MOST: Final = 20_000

    def __init__(self) -> None:
        self.held: dict[tuple[int, int, int], tuple[Node, Place, Node]] = {}

    def get(self, node: Node, place: Place) -> Node | None:
        found = self.held.get((id(node), id(place.annotation), id(place.field)))
        return None if found is None else found[2]

    def put(self, node: Node, place: Place, done: Node) -> None:
        if len(self.held) >= self.MOST:
            self.held.clear()
        # node and place are kept with it, since a number of an object is only its own while it lives
        self.held[id(node), id(place.annotation), id(place.field)] = (node, place, done)


_DONE: Final = _Done()


class _Inliner:
    def __init__(self, root: Node) -> None:
        self.root = root
        self.problems: list[Problem] = []

    def walk(self, node: Node, place: Place, path: Route) -> Node:
        """``node`` with every library entry beneath it written out."""
        done = _DONE.get(node, place)
        if done is None:
            found = len(self.problems)
            done = self._walk(node, place, path)
            if len(self.problems) == found and isinstance(done.value, dict | list):
                _DONE.put(node, place, done)  # what is wrong is said anew each time, at its own place
        return done

    def _walk(self, node: Node, place: Place, path: Route) -> Node:
        kind = library_kind(place)
        if kind is not None:
            node = self._entry(node, kind, path)
        elif node.get("protocol") is not None and _is_treatment(place):
            node = self._protocol(node, path)
        if node.is_mapping:
            children = {key: self._child(child, place, node, path, key) for key, child in node.value.items()}
            return Node(children, node.mark, node.key)
        if node.is_list:
            items = [self._child(child, place, node, path, i) for i, child in enumerate(self._short(node, place, path))]
            return Node(items, node.mark, node.key)
        return node

    def _short(self, node: Node, place: Place, path: Route) -> list[Node]:
        """Items of a list, at most as many as are allowed, so that a long list costs little to refuse."""
        items: list[Node] = node.value
        most = longest_list(place)
        if len(items) <= most:
            return items
        self.problems.append(problem_at(self.root, path, f"has {len(items)} items and must have at most {most}"))
        return items[:most]

    def _child(self, child: Node, place: Place, parent: Node, path: Route, part: str | int) -> Node:
        return self.walk(child, place.child(part, parent.value), (*path, part))

    def _entry(self, node: Node, kind: str, path: Route) -> Node:
        """The named entry, with what the scenario changes laid over it."""
        if node.is_mapping:
            base = node.get("base")
            if base is None:
                return node  # written out in full, as in a resolved scenario
            over = Node({key: child for key, child in node.value.items() if key != "base"}, node.mark, node.key)
            named = self._named(base, kind, (*path, "base"))
            return over if named is None else lay(Node(named.value, node.mark, node.key), over)
        if node.value is None:
            return node
        named = self._named(node, kind, path)
        return node if named is None else Node(named.value, node.mark, node.key)

    def _named(self, node: Node, kind: str, path: Route) -> Node | None:
        try:
            return library.tree(kind, library.check_name(kind, node.value))
        except library.LibraryError as error:
            self.problems.append(problem_at(self.root, path, str(error)))
            return None

    def _protocol(self, node: Node, path: Route) -> Node:
        """The treatment that a protocol describes, with the other keys laid over it."""
        over = Node({key: child for key, child in node.value.items() if key != "protocol"}, node.mark, node.key)
        named = self._named(node.value["protocol"], "protocols", (*path, "protocol"))
        if named is None:
            return node
        settings = {key: child for key, child in named.value.items() if key not in library.DESCRIPTION}
        return lay(Node(settings, node.mark, node.key), over)


def library_kind(place: Place) -> str | None:
    """Folder of the library whose entries may stand at ``place``."""
    return _kind(place.annotation)


@cache
def _kind(annotation: Any) -> str | None:
    return next((LIBRARY[option] for option in options(annotation) if option in LIBRARY), None)


def _is_treatment(place: Place) -> bool:
    return any(issubclass(block, Intervention) for block in place.blocks)


def inline(root: Node, cls: type[BaseModel]) -> tuple[Node, list[Problem]]:
    """Tree with library entries written out, and what is wrong with the names.

    Parameters
    ----------
    root
        Tree of a scenario after ``extends`` and ``--set``.
    cls
        Class of the scenario; its annotations say where names stand.
    """
    inliner = _Inliner(root)
    return inliner.walk(root, Place(cls), ()), inliner.problems
