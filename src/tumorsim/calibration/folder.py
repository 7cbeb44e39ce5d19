"""The output folder of a calibration: outcome, fitted values as YAML, posterior as a table.

Every file is written whole or not at all; the log (`tumorsim.calibration.log`) and the
data base of the posterior grow beside them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tumorsim.calibration.objective import Objective
from tumorsim.calibration.outcome import FILE
from tumorsim.calibration.posterior import DATABASE
from tumorsim.journal import JournalError
from tumorsim.json_file import sealed_text
from tumorsim.places import routes, setting_path
from tumorsim.store import commit

LOG: Final = "log.jsonl"
CONFIGURATION: Final = "calibration.yaml"
FITTED: Final = "fitted.yaml"
SHORT: Final = "short.json"
POSTERIOR: Final = "posterior.csv"
FILES: Final = (LOG, CONFIGURATION, FILE, FITTED, SHORT, POSTERIOR, DATABASE)


def open_folder(folder: Path, force: bool) -> Path:
    """Make the folder if it is not there; gives the place of its log.

    Parameters
    ----------
    folder
        Of one calibration.
    force
        Delete what an earlier calibration left.

    Raises
    ------
    JournalError
        It holds other files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if force:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
    elif not (folder / LOG).exists() and any(folder.iterdir()):
        raise JournalError(f"{folder}: holds other files and no log of a calibration; choose another folder with --out")
    return folder / LOG


def write(folder: Path, told: Mapping[str, Any], objective: Objective) -> None:
    """Outcome, posterior and fitted values into the output folder; each whole or not at all."""
    keep(folder / FILE, sealed_text(told))
    keep(folder / FITTED, fitted_text(told, objective, [study["name"] for study in told["studies"]]))
    keep(folder / SHORT, sealed_text(shortened(told)))
    if told["posterior"]:
        keep(folder / POSTERIOR, _table(told))


def shortened(told: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome without every single simulation: small enough to be kept beside the calibration file.

    Parameters, targets, screening, recovery, rivals, residuals and digests stay; ``report`` reads it too.
    """
    short = dict(told)
    short["optimise"] = {**told["optimise"], "evaluations": []}
    short["posterior"] = None
    if told["recovery"]:
        parameters = [{**one, "ranks": None} for one in told["recovery"]["parameters"]]
        short["recovery"] = {**told["recovery"], "parameters": parameters}
    return short


def fitted_text(told: Mapping[str, Any], objective: Objective, names: Sequence[str]) -> str:
    """The fitted values as settings of each study: for ``--set`` of a run, or ``set:`` of a calibration."""
    lines = [f"# {told['title']}", f"# log {told['log_digest'][:16]}, configuration {told['config_digest'][:16]}"]
    for name, plain in zip(names, objective.plains, strict=True):
        lines.append(f"{name}:")
        for one, parameter in zip(told["parameters"], objective.parameters, strict=True):
            ends = one["interval"]
            known = "" if ends is None else f"  # 90 % interval {ends[0]:.4g} to {ends[1]:.4g}"
            for route in routes(plain, parameter.declared.path):
                lines.append(f'  - "{setting_path(plain, route)}={parameter.text(one["best"])}"{known}')
    return "\n".join(lines) + "\n"


def keep(path: Path, text: str) -> None:
    """Write a text file, in place of an older one."""
    commit(path, text.encode(), force=True, sealed=False)


def _table(told: Mapping[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([one["name"] for one in told["parameters"]])
    for row in told["posterior"]["draws"]:
        writer.writerow([f"{value:.6g}" for value in row])
    return out.getvalue()
