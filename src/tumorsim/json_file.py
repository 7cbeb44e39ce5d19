"""One door to JSON files of strangers: plain files of limited size and depth, numbers that JSON knows."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

MAX_BYTES: Final = 64 * 2**20
MAX_DEPTH: Final = 16
SEAL: Final = "sha256"
"""The key of the checksum: of everything else in the file, however it is spaced and ordered."""
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class JsonError(ValueError):
    """A JSON file that cannot be read; the message names file, place and rule."""


def read_json(file: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    JsonError
        No plain file, not JSON, too large or too deep.
    OSError
        It cannot be opened.
    """
    return _parse(file, _content(file))


def sealed_text(held: Mapping[str, Any]) -> str:
    """The text of a JSON file that carries a checksum of what it holds."""
    plain = json.loads(json.dumps({key: value for key, value in held.items() if key != SEAL}, allow_nan=False))
    return json.dumps({**plain, SEAL: _checksum(plain)}, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def unsealed(file: Path, found: dict[str, Any]) -> dict[str, Any]:
    """What a JSON file holds, without its checksum; a file without one was written before there were any.

    Raises
    ------
    JsonError
        The checksum is not that of the rest.
    """
    held = {key: value for key, value in found.items() if key != SEAL}
    if SEAL in found and found[SEAL] != _checksum(held):
        rule = "is not the checksum of the rest: the file is damaged, or was edited; take the original"
        raise JsonError(refusal(file, SEAL, rule))
    return held


def _checksum(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, ensure_ascii=True, sort_keys=True).encode()).hexdigest()


def refusal(file: Path, place: str, rule: str) -> str:
    """The message about a place in a file; signs that cannot be shown are replaced."""
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in place[:200])
    return f"{file}: {shown}: {rule}"


def _content(file: Path) -> bytes:
    with open(file, "rb", opener=_at_once) as handle:
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise JsonError(f"{file}: must be a plain file")
        content = handle.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise JsonError(f"{file}: must not be larger than {MAX_BYTES // 2**20} MB; an outcome has a few")
    return content


def _at_once(path: str, flags: int) -> int:
    """Open without waiting, as a pipe would have us do."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _parse(file: Path, content: bytes) -> Any:
    brackets = np.frombuffer(_STRINGS.sub(b"", content), dtype=np.uint8)
    steps = np.isin(brackets, (0x5B, 0x7B)).astype(np.int32) - np.isin(brackets, (0x5D, 0x7D))
    if np.cumsum(steps).max(initial=0) > MAX_DEPTH:
        raise JsonError(f"{file}: must not be nested more than {MAX_DEPTH} deep")
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place, rule = f"line {error.lineno}, column {error.colno}", f"is not JSON ({error.msg}); the file is damaged"
        raise JsonError(refusal(file, place, rule)) from None
    except (ValueError, RecursionError) as error:
        raise JsonError(f"{file}: is not JSON ({error}); the file is damaged") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON; write null")
