"""What every study file shares, a trial's and a lattice's: arms, reading, resolving, identity.

Loading is a chain: guarded YAML and ``extends`` → values of the command line →
library entries written out → blocks validated → rules between the blocks →
canonical text. Every problem of a file is reported at once, with its place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, field_validator
from pydantic_core.core_schema import ValidationInfo

from tumorsim.interventions.treatment import Treatment
from tumorsim.messages import MAX_PROBLEMS, problems_of
from tumorsim.overlay import apply_settings, read_texts, set_value
from tumorsim.params.base import Block
from tumorsim.references import inline
from tumorsim.yamlio import Mark, Node, Problem, Route, ScenarioError, problem_at, refuse

MAX_RESOLVED: Final = 8 * 1024 * 1024
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")

Finding = tuple[Route, str]
Check = Callable[[Any, dict[str, Any]], Iterable[Finding]]
"""Rules between the blocks: from the plain tree and the valid blocks to paths and messages."""


def _plain_name(name: str) -> str:
    if not name or len(name) > 64 or not set(name) <= _LETTERS or name[0] in "_-":
        raise ValueError("must be 1 to 64 of a-z, 0-9, _ and -, a letter or digit first, e.g. cik_60_weeks")
    return name


Name = Annotated[str, AfterValidator(_plain_name)]


class Arm(Block):
    """One arm of a study."""

    name: Name = Field(description="Name of the arm in results and on the command line.", examples=["cik"])
    label: str = Field("", max_length=120, description="What people call it; the name if empty.")
    treatments: tuple[Treatment, ...] = Field((), max_length=16, description="What is given; empty for no treatment.")

    @property
    def title(self) -> str:
        """Label, or the name where there is none."""
        return self.label or self.name


class Study(Block):
    """Root of a study file."""

    ELSEWHERE: ClassVar[dict[str, str]] = {}
    """Keys of the other kinds of study file, and what messages call those."""

    if TYPE_CHECKING:
        name: str
        seed: int
        arms: tuple[Arm, ...]

    _source_text: str = PrivateAttr("")

    @property
    def source_text(self) -> str:
        """The file as it was given; empty when the study was not read from a file."""
        return self._source_text

    def __eq__(self, other: object) -> bool:
        """Whether both mean the same study; where they were read from does not count."""
        return isinstance(other, Study) and self.resolved_text == other.resolved_text

    def __hash__(self) -> int:
        return hash(self.digest)

    @field_validator("*", mode="after")
    @classmethod
    def _keep_valid(cls, value: Any, info: ValidationInfo) -> Any:
        # the rules between blocks also run when another block is faulty
        if isinstance(info.context, dict):
            info.context[str(info.field_name)] = value
        return value

    @cached_property
    def resolved_text(self) -> str:
        """Canonical JSON of the study, library entries written out.

        Independent of the library, of the layout of the files, of the order of keys
        and of how quantities were spelt. Reading it gives an equal study.
        """
        return canonical_json(self.model_dump(mode="json"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `resolved_text`."""
        return hashlib.sha256(self.resolved_text.encode()).hexdigest()

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Names of the arms in order."""
        return tuple(arm.name for arm in self.arms)

    def arm(self, name: str) -> Arm:
        """The arm called ``name``.

        Raises
        ------
        KeyError
            No such arm; the message lists the names.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(f"{name!r} is no arm; the arms are {', '.join(self.arm_names)}")


S = TypeVar("S", bound=Study)

# fields of every root
Description = Annotated[str, Field(max_length=4000, description="What the study is, for people.")]
Seed = Annotated[int, Field(ge=0, lt=2**63, description="Seed of every random draw.")]
Arms = Annotated[
    tuple[Arm, ...],
    Field(
        min_length=1, max_length=16, description="The arms; the first is the reference.", examples=["- name: control"]
    ),
]


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys that is equal for equal values."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1) + "\n"


def _sorted(value: Any) -> Any:
    """What reading `canonical_json` of ``value`` gives, without writing it."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def load_study(
    source: str | Path,
    cls: type[S],
    check: Check,
    *,
    overrides: Sequence[str],
    options: Mapping[str, tuple[str, int | None]],
    root: str | Path | None,
    settle: Callable[[Node], Node] | None = None,
) -> S:
    """Read, check and resolve a study file.

    Parameters
    ----------
    source
        Path of a YAML file.
    cls, check, settle
        As in `resolve`.
    overrides
        ``key=value`` as on the command line, applied in order.
    options
        Path inside the study and number by name of a command line option (``--seed``); None leaves the file's.
    root
        Folder that ``extends`` may not leave; the folder of ``source`` if None.

    Raises
    ------
    ScenarioError
        Everything that is wrong, each problem with its place.
    """
    node, text = read_study(source, overrides, options, root)
    study = resolve(node, cls, check, settle)
    study._source_text = text
    return study


def read_study(
    source: str | Path, overrides: Sequence[str], options: Mapping[str, tuple[str, int | None]], root: str | Path | None
) -> tuple[Node, str]:
    """Composed tree of a study file, and the text of the file; arguments and errors as of `load_study`."""
    node, texts = read_texts(Path(source), None if root is None else Path(root))
    node = apply_settings(node, overrides)
    for option, (path, number) in options.items():
        if number is not None:
            node = set_value(node, f"{path}={number}", Mark(option))
    return node, next(iter(texts.values()))


def resolve(node: Node, cls: type[S], check: Check, settle: Callable[[Node], Node] | None = None) -> S:
    """Study of a composed tree.

    Parameters
    ----------
    node
        Tree after ``extends`` and ``--set``.
    cls
        Class of the root.
    check
        Rules between its blocks.
    settle
        What is done to the tree once library entries are written out, such as defaults of one block from another.

    Raises
    ------
    ScenarioError
        Everything that is wrong, each problem with its place.
    """
    resolved, problems = inline(node, cls)
    if settle is not None:
        resolved = settle(resolved)
    plain = resolved.plain()
    blocks: dict[str, Any] = {}
    study: S | None = None
    try:
        study = cls.model_validate(plain, context=blocks)
    except ValidationError as error:
        named = {problem.path for problem in problems}
        problems += [p for p in problems_of(error, resolved, cls) if not _beneath(p.path, named)]
    problems += [problem_at(resolved, path, message) for path, message in _found(check, plain, blocks)]
    if problems or study is None:
        raise ScenarioError(_in_order(problems, node.mark.file))
    # What runs is what is stored: the order of keys, too, comes from the canonical text.
    return cls.model_validate(_sorted(study.model_dump(mode="json")))


def _found(check: Check, plain: Any, blocks: dict[str, Any]) -> list[Finding]:
    return list(islice(check(plain, blocks), MAX_PROBLEMS))


def _beneath(path: str, named: set[str]) -> bool:
    """Whether a library name that is reported already explains what is wrong at ``path``."""
    around = {f"{path}.base", f"{path}.protocol"}
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) or name in around for name in named)


def _in_order(problems: Sequence[Problem], entry: str) -> list[Problem]:
    return sorted(problems, key=lambda p: (p.file != entry, p.file, p.line, p.column))


def read_text(
    text: str, cls: type[S], check: Check, shown: str, renew: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> S:
    """Study of a resolved text, e.g. from a result; reads no file and no library.

    Parameters
    ----------
    text
        What `Study.resolved_text` gave.
    cls, check
        As in `resolve`.
    shown
        What the text is called in messages.
    renew
        What brings the tree of an older text up to date.

    Raises
    ------
    ScenarioError
        No JSON, too large, or no valid study of this layout.
    """
    mark = Mark(shown)
    if len(text) > MAX_RESOLVED:
        raise refuse(mark, f"is larger than {MAX_RESOLVED // 1024**2} MB")
    try:
        plain = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise refuse(mark, "is no resolved scenario (JSON with one entry a key)") from None
    if not isinstance(plain, dict):
        raise refuse(mark, "is no resolved scenario (a JSON object)")
    if renew is not None:
        plain = renew(plain)
    blocks: dict[str, Any] = {}
    try:
        study = cls.model_validate(plain, context=blocks)
    except (ValidationError, RecursionError) as error:
        problems = problems_of(error, _tree(plain, mark), cls) if isinstance(error, ValidationError) else []
        raise ScenarioError(problems or [Problem(shown, 0, 0, "", "is nested too deep")]) from None
    found = [problem_at(_tree(plain, mark), path, message) for path, message in _found(check, plain, blocks)]
    if found:
        raise ScenarioError(found)
    return study


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _tree(plain: Any, mark: Mark) -> Node:
    if isinstance(plain, Mapping):
        return Node({key: _tree(child, mark) for key, child in plain.items()}, mark, mark)
    if isinstance(plain, list):
        return Node([_tree(child, mark) for child in plain], mark, mark)
    return Node(plain, mark, mark)
