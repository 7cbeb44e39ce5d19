"""libRoadRunner on an exported patient: CVODE on the equations as SBML states them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from tumorsim.kernels import integrate
from tumorsim.sbml.body import Names
from tumorsim.sbml.lesion import HEAD

MAX_STEPS = 1_000_000
# absolute tolerances as in `tumorsim.kernels.integrate.fill_absolute_tolerances`, at a relative one of 1e-6
LESION = dict.fromkeys(HEAD, integrate.ATOL_CLONE) | {
    "dead": integrate.ATOL_CELLS, "capacity": integrate.ATOL_CELLS, "maturity": integrate.ATOL_FRACTION,
    "embolised": integrate.ATOL_FRACTION, "vegf_pulse": integrate.ATOL_VEGF,
    "extinction_integral": integrate.ATOL_EXTINCTION,
}  # fmt: skip


def absolute_tolerance(sid: str, names: Names) -> float:
    """Of a state by its identifier."""
    owner, _, rest = sid.partition("_")
    if owner.startswith("lesion"):
        return LESION.get(rest, integrate.ATOL_LESION_EFFECTORS)
    if any(sid.startswith(f"{drug}_") for drug in names.drugs):
        return integrate.ATOL_DRUG
    if any(sid.startswith(f"{product}_") for product in names.products):
        return integrate.ATOL_EFFECTORS
    return integrate.ATOL_FRACTION


class Peer:
    """One exported patient in libRoadRunner.

    Parameters
    ----------
    text
        SBML.
    states
        Identifiers of the states.
    names
        Identifiers of drugs and products.
    optimised
        Whether its compiler optimises: three times the time to load, twice the speed.
    """

    def __init__(self, text: str, states: Sequence[str], names: Names, optimised: bool = False) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its extension classes have no module
            import roadrunner

        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_ERROR)
        config = roadrunner.Config
        # of its two back ends this one compiles several times faster; optimised code is then as fast as of the other
        config.setValue(config.LLVM_BACKEND, config.LLJIT)
        config.setValue(config.LLJIT_OPTIMIZATION_LEVEL, config.AGGRESSIVE if optimised else config.NONE)
        self.states, self.names = list(states), names
        self.runner = roadrunner.RoadRunner(text)
        self.runner.integrator.setValue("maximum_num_steps", MAX_STEPS)

    def set_tolerance(self, relative: float) -> None:
        """Relative tolerance; absolute ones scale with it, as ours do."""
        integrator = self.runner.integrator
        integrator.relative_tolerance = relative
        for sid in self.states:
            integrator.setIndividualTolerance(sid, absolute_tolerance(sid, self.names) * relative / 1e-6)

    def reset(self) -> None:
        """Back to the start values; its plain reset would leave what events changed."""
        self.runner.resetToOrigin()

    def run(self, days: Sequence[float], more: Sequence[str] = ()) -> np.ndarray:
        """States, then what ``more`` names, on each day from the start values. Shape (days, columns)."""
        self.reset()
        self.runner.timeCourseSelections = ["time", *self.states, *more]
        found = np.array(self.runner.simulate(times=[0.0, *days]))
        np.testing.assert_array_equal(found[1:, 0], days)
        return found[1:, 1:]
