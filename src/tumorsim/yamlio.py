"""Guarded reading of YAML 1.2: a tree in which every value knows its file, line and column.

Only syntax events of PyYAML are used, not its rules for scalars, and no constructor runs, so a
file can make nothing but mappings, lists, texts, numbers, booleans and null. Each guard is
a rule of its own with its own message: size, encoding, control characters, line
length, directives, several documents, anchors, aliases, tags, depth, number of
values, length of a text, keys that are no text, merge keys and duplicate keys.
"""

from __future__ import annotations

import math
import os
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

MAX_BYTES: Final = 128 * 1024
MAX_LINE: Final = 5_000
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 6_000
MAX_TEXT: Final = 10_000
MAX_KEY: Final = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands; lines and columns count from one, 0 where there is no line."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a scenario, and where.

    Attributes
    ----------
    file, line, column
        Place; ``file`` is ``--set a.b`` for a value of the command line (line 0).
    path
        Path inside the scenario, e.g. ``arms[1].treatments[0].dose``; may be empty.
    message
        What is wrong, the rule, and an example.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.file}:"
        repeated = self.file == f"--set {self.path}"
        told = f"{place} {self.message}" if repeated or not self.path else f"{place} {self.path}: {self.message}"
        # a sign that cannot be seen, quoted from the file, must be seen: "1\xa0day" is not "1 day"
        return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in told)


class ScenarioError(ValueError):
    """A scenario that cannot be read; carries every problem found.

    Attributes
    ----------
    problems
        In the order of the files; ``str()`` prints one a line.
    """

    SHOWN: Final = 100

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = list(dict.fromkeys(problems))
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[: self.SHOWN]]
        if len(self.problems) > self.SHOWN:
            lines.append(f"... and {len(self.problems) - self.SHOWN} more")
        return "\n".join(lines)


def refuse(mark: Mark, message: str, path: str = "") -> ScenarioError:
    """A `ScenarioError` with one problem."""
    return ScenarioError([Problem(mark.file, mark.line, mark.column, path, message)])


@dataclass(slots=True)
class Node:
    """A value of the tree with its place.

    Attributes
    ----------
    value
        ``dict[str, Node]``, ``list[Node]``, str, int, float, bool or None.
    mark
        Place of the value.
    key
        Place of its key, where it is a value of a mapping.
    """

    value: Any
    mark: Mark
    key: Mark | None = None

    @property
    def is_mapping(self) -> bool:
        """Whether the value is a mapping."""
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(self.value, list)

    def plain(self) -> Any:
        """The value with every `Node` replaced by what it holds."""
        value = self.value
        # most of a tree are its leaves: a call for each of them took longer than all the rest
        if isinstance(value, dict):
            return {k: c.plain() if isinstance(c.value, dict | list) else c.value for k, c in value.items()}
        if isinstance(value, list):
            return [child.plain() if isinstance(child.value, dict | list) else child.value for child in value]
        return value

    def get(self, key: str) -> Node | None:
        """Value of ``key``; None if absent or if this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None


Route = tuple[str | int, ...]


def show_path(path: Route) -> str:
    """``("arms", 1, "dose")`` as ``arms[1].dose``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def child_of(node: Node, part: str | int) -> Node | None:
    """Value of a key or item of a list; None where there is none."""
    if isinstance(part, str):
        return node.get(part)
    if isinstance(node.value, list) and 0 <= part < len(node.value):
        item: Node = node.value[part]
        return item
    return None


def find(root: Node, path: Route) -> tuple[Node, int]:
    """Deepest node on ``path`` and how many parts of the path lead to it."""
    node = root
    for depth, part in enumerate(path):
        child = child_of(node, part)
        if child is None:
            return node, depth
        node = child
    return node, len(path)


def problem_at(root: Node, path: Route, message: str, *, at_key: bool = False) -> Problem:
    """A problem at the value (or the key) that stands at ``path``, or at the nearest value above."""
    node, depth = find(root, path)
    mark = node.key if node.key is not None and (at_key or depth < len(path)) else node.mark
    return Problem(mark.file, mark.line, mark.column, show_path(path), message)


# --- bytes and text -------------------------------------------------------------


def read_file(path: Path, shown: str) -> str:
    """Text of a regular UTF-8 file of at most `MAX_BYTES`.

    Raises
    ------
    ScenarioError
        Not there, no regular file, too large, or not UTF-8.
    """
    mark = Mark(shown)
    try:
        # O_NONBLOCK: a named pipe must not make us wait for a writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else "the file cannot be opened"
        raise refuse(mark, f"{reason}; give the path of a scenario, e.g. scenarios/hcc_sorafenib_cik.yaml") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refuse(mark, "is not a regular file; give the path of a .yaml file")
    with os.fdopen(descriptor, "rb") as stream:
        return decode(stream.read(MAX_BYTES + 1), mark)


def decode(data: bytes, mark: Mark) -> str:
    """``data`` as text, after the guards on size and encoding."""
    if len(data) > MAX_BYTES:
        raise refuse(mark, f"is larger than {MAX_BYTES // 1024} KB; a scenario is a few KB, keep data elsewhere")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise refuse(Mark(mark.file, line, column), "is not UTF-8 text; save the file as UTF-8") from None


# Also refused: marks that turn the direction of writing and so show another text than is read.
_REFUSED: Final = (
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def _refused_character(text: str) -> re.Match[str] | None:
    # the pattern takes 10 ms to compile, and few files need it
    if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        return None
    return re.search(_REFUSED, text)


def _guard_text(text: str, file: str) -> None:
    if len(text) > MAX_BYTES:
        raise refuse(Mark(file), f"is larger than {MAX_BYTES // 1024} KB; a scenario is a few KB, keep data elsewhere")
    control = _refused_character(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        column = control.start() - text.rfind("\n", 0, control.start())
        raise refuse(Mark(file, line, column), f"character U+{ord(control[0]):04X} is not allowed; remove it")
    for number, line_text in enumerate(text.split("\n"), start=1):
        if len(line_text) > MAX_LINE:
            raise refuse(Mark(file, number, 1), f"the line has more than {MAX_LINE} characters; break it up")


# --- scalars of the YAML 1.2 core schema ------------------------------------------

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INT: Final = re.compile(r"[-+]?[0-9]{1,40}", re.ASCII)
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,4})?", re.ASCII)


def scalar(text: str) -> str | int | float | bool | None:
    """What unquoted ``text`` means in YAML 1.2; infinities and NaN stay text."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text[2:], 16 if text[1] == "x" else 8)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


# --- events to tree -----------------------------------------------------------------

# What the parser says, in the words of someone who edits scenarios.
_SYNTAX: Final = (
    ("mapping values are not allowed", 'a ": " stands inside a value; quote the text, e.g. title: "Part 1: control"'),
    (
        "cannot start any token",
        'a character that cannot start a value (a tab, "@", "`" or "%"); indent with spaces, quote texts',
    ),
    ("could not find expected ':'", 'a key without ":"; write key: value'),
    ("expected <block end>", "the indentation does not fit the lines above; keys of one mapping start in one column"),
    ("expected ',' or", "a list [...] or mapping {...} is not closed, or lacks a comma"),
    ("unexpected end of stream", "a quote, bracket or brace is not closed"),
    ("found unknown escape", "an unknown escape in a double-quoted text; use single quotes"),
    ("found undefined tag handle", 'tags ("!") are refused; write the plain value'),
)


def _syntax_problem(error: Any, file: str) -> ScenarioError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = f"{getattr(error, 'context', '') or ''} {getattr(error, 'problem', '') or ''}".strip()
    advice = next(
        (text for key, text in _SYNTAX if key in said), "is not valid YAML; look at this line and the one above"
    )
    place = Mark(file, mark.line + 1, mark.column + 1) if mark is not None else Mark(file)
    return refuse(place, f"YAML: {advice}")


class _Builder:
    """Builds the tree from events and applies the guards on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values = 0
        self.documents = 0
        self.root: Node | None = None
        self.open: list[Node] = []
        self.keys: list[Node | None] = []  # pending key of each open mapping

    def feed(self, event: Any) -> None:
        kind = type(event).__name__
        mark = Mark(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
        if kind == "DocumentStartEvent":
            self._document(event, mark)
        elif kind == "AliasEvent":
            raise refuse(mark, "aliases (*name) are refused; write the value again or use extends")
        elif kind in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent"):
            self._value(event, kind, mark)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self.open.pop()
            self.keys.pop()

    def _document(self, event: Any, mark: Mark) -> None:
        self.documents += 1
        if self.documents > 1:
            raise refuse(mark, 'a second document ("---") is refused; one file holds one scenario')
        if event.version is not None or event.tags:
            raise refuse(mark, "directives (%YAML, %TAG) are refused; remove the line")

    def _value(self, event: Any, kind: str, mark: Mark) -> None:
        if event.anchor is not None:
            raise refuse(mark, "anchors (&name) are refused; write the value again or use extends")
        if event.tag is not None:
            raise refuse(mark, 'tags ("!") are refused; write the plain value')
        self.values += 1
        if self.values > MAX_VALUES:
            raise refuse(mark, f"has more than {MAX_VALUES} values; a scenario has a few hundred")
        if kind == "ScalarEvent":
            self._place(Node(self._scalar(event, mark), mark))
            return
        if len(self.open) >= MAX_DEPTH:
            raise refuse(mark, f"is nested more than {MAX_DEPTH} deep; a scenario needs fewer than ten levels")
        node = Node({} if kind == "MappingStartEvent" else [], mark)
        self._place(node)
        self.open.append(node)
        self.keys.append(None)

    def _scalar(self, event: Any, mark: Mark) -> Any:
        if len(event.value) > MAX_TEXT:
            raise refuse(mark, f"the text has more than {MAX_TEXT} characters; shorten it")
        if event.style is None or event.style == "":
            return scalar(event.value)
        try:  # as in JSON, two escaped halves are one character; half a character is none, and no file can hold it
            return event.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise refuse(mark, 'holds half of a character, e.g. "\\ud83e" alone; write the character itself') from None

    def _place(self, node: Node) -> None:
        """Put ``node`` where the open collection waits for it: item, key or value."""
        if not self.open:
            self.root = node
            return
        parent = self.open[-1].value
        if isinstance(parent, list):
            parent.append(node)
        elif self.keys[-1] is None:
            self.keys[-1] = self._key(node, parent)
        else:
            key = self.keys[-1]
            node.key = key.mark
            parent[key.value] = node
            self.keys[-1] = None

    def _key(self, node: Node, parent: dict[str, Node]) -> Node:
        if not isinstance(node.value, str):
            raise refuse(node.mark, 'a key must be a text; put it in quotes, e.g. "1": value')
        if len(node.value) > MAX_KEY:
            raise refuse(node.mark, f"the key has more than {MAX_KEY} characters")
        if node.value == "<<":
            raise refuse(node.mark, 'merge keys ("<<") are refused; use extends')
        if node.value in parent:
            first = parent[node.value].key
            line = first.line if first else 0
            raise refuse(node.mark, f'the key "{node.value[:40]}" stands twice, first in line {line}; remove one')
        return node


@lru_cache(maxsize=32)
def parse(text: str, file: str) -> Node:
    """Tree of a YAML text; not to be changed, since the same text gives the same tree again.

    Parameters
    ----------
    text
        YAML 1.2.
    file
        Name for the marks.

    Raises
    ------
    ScenarioError
        One problem: the first guard or syntax rule that the text breaks.
    """
    _guard_text(text, file)
    import yaml

    root = None
    try:
        # libyaml takes a twentieth of the time, and its errors say less
        root = _tree(text, file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        try:
            root = _tree(text, file, yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise _syntax_problem(error, file) from None
    if root is None or root.value is None:
        raise refuse(Mark(file, 1, 1), "the file is empty; `tumorsim init` writes a commented example")
    return root


def _tree(text: str, file: str, loader: Any) -> Node | None:
    """Tree of a text, by one of the parsers of PyYAML; None if there is nothing in it."""
    import yaml

    builder = _Builder(file)
    for event in yaml.parse(text, Loader=loader):
        builder.feed(event)
    return builder.root
