"""Shared by all tests; being here puts this folder on the import path (``from toy_trial import make_trial``).

Also the order of the tests, and which worker of xdist compiles what before its first test.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Files that need no kernel come first, for whoever has compiled the smaller half; then the longest files, so that no
# worker is left alone with one of them at the end.
ORDER = ("hostile", "statistical", "end_to_end", "properties", "analytic", "unit", "kernels", "golden")
MANY = 1000  # fewer tests compile what they need when they need it


def compile_patient_model() -> None:
    """The model, and the statistics of its results."""
    from tumorsim import summary
    from tumorsim.scenario import load
    from tumorsim.trial_api import simulate_trial

    study = load(TESTS.parent / "scenarios" / "hcc_adjuvant_cik_rct.yaml", patients=20)
    data = simulate_trial(study, threads=1)
    summary.build(data, study.name, study.title, study.seed, study.endpoints, study.targets)


def compile_lattice() -> None:
    from lattice_examples import BUSY
    from tumorsim.experiment import warm_up
    from tumorsim.spatial_api import experiment_of
    from tumorsim.spatial_scenario import load_spatial

    warm_up(experiment_of(load_spatial(BUSY)))


# One a worker. The cache on disk is shared, but two processes that begin together compile everything twice.
ENGINES = (compile_patient_model, compile_lattice)


def pytest_configure(config: pytest.Config) -> None:
    """Keep xdist to the order given here; by itself it begins with the files that hold the most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_sessionstart(session: pytest.Session) -> None:
    told = session.config.pluginmanager.get_plugin("terminalreporter")
    if told is not None and (getattr(session.config.option, "numprocesses", None) or 0) >= len(ENGINES):
        told.write_line("kernels: of many tests, two workers first compile one model each, a minute if none is cached")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {folder: index for index, folder in enumerate(ORDER)}
    items.sort(key=lambda item: place.get(item.path.relative_to(TESTS).parts[0], len(ORDER)))


@pytest.hookimpl(trylast=True)  # the worker has told what it found, so that the other need not wait
def pytest_collection_finish(session: pytest.Session) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    several = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) >= len(ENGINES)
    if len(session.items) < MANY or session.config.option.collectonly:
        return
    if several and worker in ("gw0", "gw1"):
        with suppress(Exception):  # a broken model is for the tests to tell
            ENGINES[int(worker[2:])]()
    gc.collect()
    gc.freeze()  # modules and tests stay to the end; looking through them again and again took a tenth of the time
