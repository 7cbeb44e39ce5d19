"""Where verbs write: a name that the user gave is never overwritten without ``--force``."""

from __future__ import annotations

from pathlib import Path


class UsageError(ValueError):
    """A command that cannot be carried out as given; the message says what to write instead."""


def own_or_given(given: Path | None, own: Path, force: bool) -> Path:
    """Output of a figure or page: the name given, or one made from the result's, which may be replaced.

    Raises
    ------
    ResultError
        The name given exists and ``force`` is false, or its folder cannot be written to.
    """
    from tumorsim.store import check_target

    return check_target(own, force=True) if given is None else check_target(given, force)


def result_name(given: Path | None, stem: str, force: bool) -> Path:
    """Output of a run: the name given, or the first free one of ``results/STEM.h5``, ``results/STEM-2.h5`` ...

    Raises
    ------
    ResultError
        As `own_or_given`.
    """
    from tumorsim.store import check_target

    if given is not None:
        return check_target(given, force)
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    path, number = folder / f"{stem}.h5", 2
    while path.exists() and not force:
        path, number = folder / f"{stem}-{number}.h5", number + 1
    return check_target(path, force)


def write_text(path: Path, text: str, force: bool) -> None:
    """Write a small file whole, or not at all."""
    from tumorsim.store import commit

    commit(path, text.encode(), force=force, sealed=False)


def key_values(settings: list[str] | None) -> dict[str, str]:
    """``KEY=VALUE`` texts as a mapping.

    Raises
    ------
    UsageError
        A text without ``=``.
    """
    found = {}
    for text in settings or ():
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise UsageError(f'--set {text}: must be KEY=VALUE, e.g. --set "endpoint=os"')
        found[key.strip()] = value.strip()
    return found


def purpose_of(path: Path) -> str:
    """What a YAML file that is no scenario is for: ``sweep``, ``calibration``; empty for all else.

    A file that cannot be read is none of them; loading it as a scenario then says why.
    """
    from tumorsim.yamlio import ScenarioError, parse, read_file

    try:
        text = read_file(path, path.as_posix())
        if "sweep" not in text and "calibration" not in text:  # spares a scenario the second reading
            return ""
        root = parse(text, path.as_posix())
    except ScenarioError:
        return ""
    return next((key for key in ("sweep", "calibration") if root.get(key) is not None), "")
