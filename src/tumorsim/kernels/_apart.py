"""Tells the compiler that turns of a loop are apart, by an edit of what Numba hands it (docs/numerics/lanes.md).

Without it the compiler compares where all arrays lie before every loop over lanes, or gives up and takes one turn
after another. The words are those of LLVM's language reference, ``llvm.loop.parallel_accesses``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

GROUP, WORDS, WHOLE, FIRST = 9_000_000, 9_000_001, 9_000_002, 9_000_003  # numbers of nodes; Numba's own are small
FUNCTION = re.compile(r"^define .*?^}$", re.M | re.S)
BLOCK = re.compile(r'^"?([\w.$]+)"?:', re.M)
TARGET = re.compile(r'label %"?([\w.$]+)"?')
END = re.compile(r"^  (?:br|ret|switch|unreachable)\b.*(?:\n   .*)*$", re.M)
TOUCHES = re.compile(r"^  (?:%[^=\n]+ = )?(?:load|store|call) .*$", re.M)


def turns_apart(text: str, short: bool = False) -> str:
    """Code of a kernel in which its innermost loops say that no turn touches what another does.

    Parameters
    ----------
    text
        Intermediate code of LLVM with all its functions.
    short
        The loops have few turns, and callers of which the kernel becomes part know how many: taken apart before they
        are taken side by side, they would be taken one by one, so that is not to be done.

    Returns
    -------
    str
        The same code; without a loop, the very same text.
    """
    numbers: list[int] = []

    def marked(function: re.Match[str]) -> str:
        return _mark(function[0], numbers)

    found = FUNCTION.sub(marked, text)
    if not numbers:
        return text
    nodes = [f"!{GROUP} = distinct !{{}}", f'!{WORDS} = !{{!"llvm.loop.parallel_accesses", !{GROUP}}}']
    nodes += [f'!{WHOLE} = !{{!"llvm.loop.unroll.disable"}}'] if short else []
    said = f"!{WORDS}, !{WHOLE}" if short else f"!{WORDS}"
    nodes += [f"!{number} = distinct !{{!{number}, {said}}}" for number in numbers]
    return "\n".join([found, *nodes, ""])


def _mark(text: str, numbers: list[int]) -> str:
    """One function: its loads, stores and calls belong to the group, its innermost loops to ``numbers``."""
    ends, follows = _blocks(text)
    loops = innermost(follows)
    if not loops:
        return text
    words: dict[int, str] = {}
    for loop in loops:
        numbers.append(FIRST + len(numbers))
        for name in loop:
            # the last of these branches in the order of the optimised code is the one that is asked
            if follows[name] and (loop[0] in follows[name] or not set(follows[name]) <= set(loop)):
                words[ends[name]] = f", !llvm.loop !{numbers[-1]}"
    parts, at = [], 0
    for end in sorted(words):
        parts += [text[at:end], words[end]]
        at = end
    return TOUCHES.sub(rf"\g<0>, !llvm.access.group !{GROUP}", "".join(parts) + text[at:])


def _blocks(text: str) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Of every block of a function, in order: where its last instruction ends, and which blocks may follow it."""
    starts = [*BLOCK.finditer(text)]
    ends, follows = {}, {}
    for block, until in zip(starts, [*(b.start() for b in starts[1:]), len(text)], strict=True):
        last = END.search(text, block.end(), until)
        if last is not None:
            ends[block[1]], follows[block[1]] = last.end(), TARGET.findall(last[0])
    return ends, follows


def innermost(follows: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Blocks of every loop that holds no other loop, its head first.

    Parameters
    ----------
    follows
        Which blocks may follow each; the first is where it all begins.
    """
    found: dict[str, set[str]] = {}
    came: dict[str, list[str]] = {name: [] for name in follows}
    for name, others in follows.items():
        for other in others:
            came[other].append(name)
    for tail, head in _back(follows):
        body, left = found.setdefault(head, {head}), [tail]
        while left:
            name = left.pop()
            if name not in body:
                body.add(name)
                left += came[name]
    return [
        [head, *sorted(body - {head})]
        for head, body in found.items()
        if not any(other in body for other in found if other != head)
    ]


def _back(follows: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Edges to a block through which one has come."""
    seen: set[str] = set()
    found = []
    first = next(iter(follows), None)
    path = [] if first is None else [(first, iter(follows[first]))]
    on_path = {first}
    seen |= on_path  # type: ignore[arg-type]
    while path:
        name, ahead = path[-1]
        other = next(ahead, None)
        if other is None:
            path.pop()
            on_path.discard(name)
        elif other in on_path:
            found.append((name, other))
        elif other not in seen:
            seen.add(other)
            on_path.add(other)
            path.append((other, iter(follows[other])))
    return found
