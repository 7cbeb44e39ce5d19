"""Sentences below a figure that is already drawn, above its signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorsim.figures.style import INK, RULE, SIGNATURE, SMALL, TINY, fit, plain, text_width, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

SIZE = TINY + 0.5
LINE, BETWEEN = 0.115, 0.035  # inches: a line, and more between sentences
MOST = 30  # lines of one sentence


def below(figure: Drawing, heading: str, said: Sequence[str]) -> None:
    """Make room at the lower edge and write the sentences there; nothing without any.

    The figure grows in height and everything in it moves up, but for its signature.
    """
    if not said:
        return
    width, height = (float(length) for length in figure.get_size_inches())
    lines = _broken(figure, said, width - 0.32)
    room = LINE * sum(map(len, lines)) + BETWEEN * len(lines) + 0.32
    signed = 0.06 + 0.11 * sum(text.get_gid() == SIGNATURE for text in figure.texts)
    _raise(figure, height, room)
    y = signed + room - 0.16
    _rule(figure, width, height + room, y + 0.13)
    write(figure, 0.1, y, heading, size=SMALL, weight="bold", color=INK)
    for sentence in lines:
        y -= BETWEEN
        for number, line in enumerate(sentence):
            y -= LINE
            write(figure, 0.1 if number == 0 else 0.22, y, line, size=SIZE, color=INK)


def _broken(figure: Drawing, said: Sequence[str], width: float) -> list[list[str]]:
    """Sentences in lines of ``width`` inches; every word is measured once, since measuring is slow."""
    space = text_width(figure, " ", SIZE)
    sentences = [plain(text).split(" ") for text in said]
    widths = {word: text_width(figure, word, SIZE) for word in {word for words in sentences for word in words}}
    cut = {word: fit(figure, word, width, SIZE) for word, taken in widths.items() if taken > width}
    broken = []
    for words in sentences:
        lines, used = [words[:1]], widths[words[0]]
        for word in words[1:]:
            if used + space + widths[word] <= width:
                lines[-1].append(word)
                used += space + widths[word]
            else:
                lines.append([word])
                used = widths[word]
        if len(lines) > MOST:
            lines = [*lines[: MOST - 1], [*lines[MOST - 1][:-1], "…"]]
        broken.append([" ".join(cut.get(word, word) for word in line) for line in lines])
    return broken


def _raise(figure: Drawing, height: float, room: float) -> None:
    """Everything but the signature moves up by ``room`` inches; all sizes in inches stay."""
    from matplotlib.lines import Line2D

    full = height + room
    figure.set_size_inches(figure.get_size_inches()[0], full)

    def moved(y: Any) -> Any:
        return (y * height + room) / full

    for axes in figure.axes:
        box = axes.get_position(original=True)
        axes.set_position((box.x0, moved(box.y0), box.width, box.height * height / full))
    for text in figure.texts:
        x, y = text.get_position()
        text.set_position((x, y * height / full if text.get_gid() == SIGNATURE else moved(y)))
    for artist in figure.artists:
        drawn: Any = artist  # rectangles and lines of keys, in shares of the figure
        if isinstance(drawn, Line2D):
            drawn.set_ydata(moved(np.asarray(drawn.get_ydata(), dtype=np.float64)))
        else:
            drawn.set_y(moved(drawn.get_y()))
            drawn.set_height(drawn.get_height() * height / full)


def _rule(figure: Drawing, width: float, full: float, y: float) -> None:
    from matplotlib.lines import Line2D

    ends = [0.1 / width, 1.0 - 0.1 / width]
    figure.add_artist(Line2D(ends, [y / full] * 2, color=RULE, linewidth=0.6))
