"""One tree laid over another: ``extends``, values of the command line, changed library entries.

The rule is the same everywhere:

- mappings are merged key by key; anything else is replaced, lists as a whole;
- an empty mapping empties: ``modality: {}``;
- a mapping laid over a bare name keeps the name as its ``base``
  (``disease: hcc`` and ``disease: {growth: ...}``);
- a *parameter* is a mapping with ``value``. A new value keeps ``cv``, the variation
  between patients, and drops ``range``, ``interval``, ``source``, ``status`` and ``note``, which
  belonged to the old value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tumorsim.yamlio import Mark, Node, ScenarioError, parse, read_file, refuse, scalar

MAX_CHAIN: Final = 8
MAX_FILES: Final = 16
MAX_TOTAL: Final = 256 * 1024
MAX_SETTINGS: Final = 200

# What describes a value and falls with it.
_OF_THE_VALUE: Final = ("range", "interval", "source", "status", "note")


def merge(under: Node, over: Node) -> Node:
    """``over`` laid over ``under``; neither is changed."""
    if _is_parameter(under):
        return _merge_parameter(under, over)
    if over.is_mapping and over.value and isinstance(under.value, str):
        named = {} if "base" in over.value else {"base": Node(under.value, under.mark, under.key)}
        return Node(named | over.value, over.mark, over.key)
    if not (over.is_mapping and under.is_mapping and over.value):
        return over
    merged = dict(under.value)
    for key, child in over.value.items():
        merged[key] = merge(merged[key], child) if key in merged else child
    return Node(merged, over.mark, over.key)


def lay(under: Node, over: Node) -> Node:
    """As `merge`, but an empty mapping at the top changes nothing: a file, or an entry that is only named."""
    return merge(under, over) if over.value or not over.is_mapping else under


def _is_parameter(node: Node) -> bool:
    return node.is_mapping and "value" in node.value


def _merge_parameter(under: Node, over: Node) -> Node:
    if over.value is None or over.is_list:
        return over
    changes = over.value if over.is_mapping else {"value": over}
    kept = dict(under.value)
    if "value" in changes:
        for key in _OF_THE_VALUE:
            kept.pop(key, None)
    elif "source" not in changes and "source" in kept and changes:
        changed = " and ".join(sorted(changes))
        source = f"{kept['source'].value}; {changed} set in the scenario"
        changes = {**changes, "source": Node(source, over.mark)}
    return Node(kept | changes, over.mark, over.key)


# --- extends ------------------------------------------------------------------------


class _Files:
    """Reads an entry file and what it extends, inside one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = 0
        self.size = 0
        self.read: dict[Path, Node] = {}
        self.texts: dict[Path, str] = {}

    def load(self, path: Path, shown: str, chain: tuple[Path, ...]) -> Node:
        """Tree of the file at ``path`` with everything it extends beneath it."""
        if path not in self.read:
            self.files += 1
            if self.files > MAX_FILES:
                raise refuse(Mark(shown), f"more than {MAX_FILES} files are joined by extends; join them into fewer")
            text = self.texts[path] = read_file(path, shown)
            self.size += len(text)
            if self.size > MAX_TOTAL:
                raise refuse(Mark(shown), f"the files joined by extends exceed {MAX_TOTAL // 1024} KB")
            self.read[path] = self._composed(parse(text, shown), path, shown, (*chain, path))
        return self.read[path]

    def _composed(self, node: Node, path: Path, shown: str, chain: tuple[Path, ...]) -> Node:
        if not node.is_mapping:
            raise refuse(node.mark, "a scenario must be a mapping of keys, e.g. name: my_trial")
        link = node.value.get("extends")
        if link is None:
            return Node({k: v for k, v in node.value.items() if k != "extends"}, node.mark)
        if link.is_list and len(link.value) > MAX_FILES:
            raise refuse(link.mark, f"extends names more than {MAX_FILES} files; join them into fewer", "extends")
        composed: Node | None = None
        for each in link.value if link.is_list else [link]:
            target, name = self._target(each, path, shown)
            if target in chain:
                raise refuse(each.mark, f"extends runs in a circle: {_circle(chain, target)}", "extends")
            if len(chain) > MAX_CHAIN:
                raise refuse(each.mark, f"extends is more than {MAX_CHAIN} files deep", "extends")
            part = self.load(target, name, chain)
            composed = part if composed is None else merge(composed, part)
        own = Node({k: v for k, v in node.value.items() if k != "extends"}, node.mark)
        if composed is None:
            return own
        return lay(composed, own)

    def _target(self, node: Node, path: Path, shown: str) -> tuple[Path, str]:
        """File that one entry of ``extends`` means, after every rule on such links."""
        text = node.value
        if not isinstance(text, str) or not text:
            raise refuse(node.mark, "must be a file or a list of files, e.g. extends: parts/design.yaml", "extends")
        if "\\" in text or re.match(r"~|/|[A-Za-z]+:", text):
            raise refuse(node.mark, 'must be a relative path with "/", e.g. extends: parts/design.yaml', "extends")
        try:
            target = (path.parent / text).resolve()
        except (OSError, RuntimeError, ValueError):
            raise refuse(node.mark, "cannot be followed; give a plain relative path", "extends") from None
        if not target.is_relative_to(self.root):
            rule = "leads out of the folder of the scenario; put the file beside it or below"
            raise refuse(node.mark, f"{rule}, e.g. extends: parts/design.yaml", "extends")
        if not text.endswith((".yaml", ".yml")):
            raise refuse(node.mark, "must name a .yaml file, e.g. extends: parts/design.yaml", "extends")
        if not target.is_file():
            raise refuse(node.mark, "there is no such file; the path is relative to the file that holds it", "extends")
        return target, (Path(shown).parent / text).as_posix()


def _circle(chain: tuple[Path, ...], target: Path) -> str:
    return " -> ".join(path.name for path in (*chain[chain.index(target) :], target))


def read_tree(path: Path, root: Path | None = None) -> Node:
    """Tree of a scenario file with everything it extends.

    Parameters
    ----------
    path
        The entry file.
    root
        Folder that ``extends`` may not leave, links resolved; the folder of the
        entry file if None. Only the caller can widen it, never a file.

    Raises
    ------
    ScenarioError
        One problem: a guard, a syntax rule, or a rule on ``extends``.
    """
    return read_texts(path, root)[0]


def read_texts(path: Path, root: Path | None = None) -> tuple[Node, dict[Path, str]]:
    """The tree, and the text of every file it was made of, the entry file first.

    Arguments and errors as `read_tree`.
    """
    shown = Path(path).as_posix()
    try:
        entry = Path(path).resolve()
        folder = entry.parent if root is None else Path(root).resolve()
    except (OSError, RuntimeError, ValueError):
        raise refuse(Mark(shown), "the path cannot be followed; give the path of a scenario file") from None
    files = _Files(folder)
    return files.load(entry, shown, ()), files.texts


def is_spatial(source: str | Path, root: str | Path | None = None) -> bool:
    """Whether a file is a spatial scenario: it, or what it extends, has the key ``spatial``.

    A file that cannot be read is none; loading it as a trial then says why.
    """
    try:
        text = read_file(Path(source), Path(source).as_posix())
        if "spatial" not in text and "extends" not in text:  # spares a trial the second reading
            return False
        return read_tree(Path(source), None if root is None else Path(root)).get("spatial") is not None
    except ScenarioError:
        return False


# --- values of the command line --------------------------------------------------------

_SETTING: Final = re.compile(r"(?P<path>[^=]{1,400})=(?P<value>.*)", re.DOTALL)
_PART: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def set_value(root: Node, setting: str, shown: Mark | None = None) -> Node:
    """Tree with one value changed as on the command line.

    Parameters
    ----------
    root
        Tree of a scenario, before library names are read.
    setting
        ``population.patients=200``; parts are keys, indices of lists, or the ``name``
        of an item (``arms.cik.treatments.0.dose=3e9 cells``). The value is a plain
        text or number; with ``[``, ``{`` or a quote in front it is read as YAML.
    shown
        What messages name as the place; ``--set path`` if None.

    Raises
    ------
    ScenarioError
        No ``key=value``, or no such item in a list.
    """
    match = _SETTING.fullmatch(setting)
    path = match["path"].strip() if match else ""
    mark = shown or Mark(f"--set {path}" if match else "--set")
    parts = path.split(".")
    if match is None or not all(_PART.fullmatch(part) for part in parts):
        raise refuse(mark, "must be key=value, e.g. --set population.patients=200")
    if parts[0] == "extends":
        raise refuse(mark, "extends belongs into a file, not on the command line")
    return _set(root, parts, _read_value(match["value"].strip(), mark), mark)


def _read_value(text: str, mark: Mark) -> Node:
    if text[:1] not in ("[", "{", '"', "'"):
        return Node(scalar(text), mark, mark)
    node = parse(text, mark.file)
    return _marked(node, mark)


def _marked(node: Node, mark: Mark) -> Node:
    """Copy whose places are all the command line."""
    value: Any = node.value
    if isinstance(value, dict):
        value = {key: _marked(child, mark) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_marked(child, mark) for child in value]
    return Node(value, mark, mark)


def _set(node: Node, parts: Sequence[str], new: Node, mark: Mark) -> Node:
    """Copy of ``node`` with ``new`` at ``parts``."""
    if not parts:
        return merge(node, new)
    if not node.is_list:
        nested = new
        for part in reversed(parts):
            nested = Node({part: nested}, mark, mark)
        child = node.get(parts[0])
        if child is None or not _holds_list(child, parts[1:]):
            return merge(node, nested)
        return Node({**node.value, parts[0]: _set(child, parts[1:], new, mark)}, node.mark, node.key)
    index = _index(node, parts[0], mark)
    items = list(node.value)
    items[index] = _set(items[index], parts[1:], new, mark)
    return Node(items, node.mark, node.key)


def _holds_list(node: Node, parts: Sequence[str]) -> bool:
    """Whether the rest of a path still leads through a list."""
    if node.is_list:
        return bool(parts)
    child = node.get(parts[0]) if parts else None
    return child is not None and _holds_list(child, parts[1:])


def _index(node: Node, part: str, mark: Mark) -> int:
    items = node.value
    if part.isdigit() and len(part) < 6 and int(part) < len(items):
        return int(part)
    names = [item.get("name") for item in items]
    found = [i for i, name in enumerate(names) if name is not None and name.value == part]
    if found:
        return found[0]
    known = ", ".join(str(name.value) for name in names if name is not None)
    numbers = f"0 to {len(items) - 1}" if items else "none, the list is empty"
    raise refuse(
        mark, f'"{part}" is no item of this list; items are {numbers}' + (f" or by name {known}" if known else "")
    )


def apply_settings(root: Node, settings: Sequence[str]) -> Node:
    """Tree with every setting applied in order; all faulty settings are reported at once."""
    if len(settings) > MAX_SETTINGS:
        raise refuse(Mark("--set"), f"more than {MAX_SETTINGS} values are set; write a file with extends instead")
    problems = []
    for setting in settings:
        try:
            root = set_value(root, setting)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return root
