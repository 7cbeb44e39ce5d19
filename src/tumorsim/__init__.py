"""In-silico tumour-immune simulation engine.

>>> import tumorsim as ts
>>> result = ts.run("scenarios/hcc_adjuvant_cik_rct.yaml", patients=500, seed=1)  # doctest: +SKIP
>>> result.summary()  # doctest: +SKIP

Hypothesis-generating simulation: not for clinical use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tumorsim.api import load, open_result, replay, run, simulate
    from tumorsim.sbml_api import to_sbml
    from tumorsim.scenario import Scenario, ScenarioError
    from tumorsim.spatial_api import SpatialResult
    from tumorsim.spatial_scenario import SpatialScenario
    from tumorsim.store import ResultError
    from tumorsim.sweep.api import run_sweep
    from tumorsim.sweep_api import SweepResult
    from tumorsim.trial_api import Result

    __version__: str

__all__ = [
    "Result",
    "ResultError",
    "Scenario",
    "ScenarioError",
    "SpatialResult",
    "SpatialScenario",
    "SweepResult",
    "__version__",
    "load",
    "open_result",
    "replay",
    "run",
    "run_sweep",
    "simulate",
    "to_sbml",
]

# Where each name lives: nothing is imported before it is asked for. No name may be that of a
# submodule, which would take its place once it is imported.
_HOMES = {
    "Result": "trial_api",
    "ResultError": "store",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "SpatialResult": "spatial_api",
    "SpatialScenario": "spatial_scenario",
    "SweepResult": "sweep_api",
    "load": "api",
    "open_result": "api",
    "replay": "api",
    "run": "api",
    "run_sweep": "sweep.api",
    "simulate": "api",
    "to_sbml": "sbml_api",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("tumorsim")
    if name not in _HOMES:
        raise AttributeError(f"module 'tumorsim' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"tumorsim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
