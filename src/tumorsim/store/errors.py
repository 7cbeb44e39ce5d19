"""How everything about a result file is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def clean(text: str, length: int = 400) -> str:
    """Text out of a file, made safe to print: one line, no control characters, not endless."""
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[: length + 1])
    return shown if len(shown) <= length else f"{shown[:length]}…"


class ResultError(ValueError):
    """A result file that cannot be written or read.

    Attributes
    ----------
    path
        The file.
    place
        Where in it: a dataset or attribute such as ``patients/age``, or ``file``.
    rule
        What is broken.
    advice
        What to do about it.
    """

    def __init__(self, path: Path | str, place: str, rule: str, advice: str) -> None:
        self.path = Path(path)
        self.place = clean(place)
        self.rule = clean(rule)
        self.advice = advice
        where = "" if place == "file" else f" {self.place}:"
        super().__init__(f"{clean(str(path))}:{where} {self.rule}. {advice}.")

    def __reduce__(self) -> tuple[type[ResultError], tuple[Path, str, str, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.path, self.place, self.rule, self.advice)


@dataclass(frozen=True)
class Problem:
    """One thing `tumorsim.verify.verify` found.

    Attributes
    ----------
    place
        Where in the file.
    rule
        What is broken.
    advice
        What to do about it.
    """

    place: str
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}. {self.advice}."
