"""The rates of change that the SBML export states, evaluated in Python, against the compiled right-hand side."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from test_right_hand_side import LESIONS, SCENARIOS, cases, compiled, random_state

from tumorsim.api import study_of
from tumorsim.kernels import layout
from tumorsim.sbml.lesion import Place
from tumorsim.sbml.model import assemble, names_of, state_ids
from tumorsim.sbml.system import System
from tumorsim.scenario import load
from tumorsim.trial import study_roster

UNIT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:e[+-]?\d+)?) [A-Za-z_]\w*")
RNG = np.random.default_rng(8)


def piecewise(*parts: Any) -> Any:
    """Value of the first part whose condition holds; the last part has none."""
    pairs = zip(parts[0::2], parts[1::2], strict=False)
    return next((value for value, holds in pairs if holds), parts[-1])


class Evaluator(dict):
    """Values of a model by identifier; laws are evaluated when they are asked for."""

    def __init__(self, system: System, values: dict[str, float], time: float) -> None:
        start = {sid: one.value for sid, one in system.quantities.items()}
        super().__init__({sid: np.float64(value) for sid, value in (start | values).items()})
        self.laws = system.laws
        self |= {"time": np.float64(time), "pi": np.pi, "exp": np.exp, "piecewise": piecewise}

    def __missing__(self, sid: str) -> Any:
        self[sid] = self.evaluate(self.laws[sid].formula)
        return self[sid]

    def evaluate(self, formula: str) -> Any:
        text = UNIT.sub(r"\1", formula).replace("^", "**").replace("&&", "and")
        with np.errstate(all="ignore"):
            return eval(text, {"__builtins__": {}}, self)


@pytest.mark.parametrize("setting", SCENARIOS)
def test_the_rates_are_those_of_the_kernel(setting: str) -> None:
    """Random states of patients in whom no two parameters are equal and every effect is switched on."""
    study = study_of(load(SCENARIOS[setting], ["population.patients=12"]))
    roster = study_roster(study)
    names = names_of(roster)
    ids = state_ids(names, range(LESIONS))
    for case in cases(setting)[:6]:
        y, t = random_state(case), float(RNG.uniform(0, 1000))
        patient = layout.Patient(case.traits, case.drugs, case.products, None, case.intake, case.slots)
        width = layout.LESION_HEAD + 2 * case.products.size
        places = [
            Place(f"lesion{i + 1}", float(slot["rate"]), np.zeros(width), True, float(slot["small"]), [0.5])
            for i, slot in enumerate(case.slots)
        ]
        system = assemble(patient, study.disease, roster, y, case.intake["rate"], [1.0, 1.0, 1.0], places)
        stated = [sid for sid, one in system.quantities.items() if one.rate is not None]
        assert sorted(stated) == sorted(ids)  # every state has a rate, and nothing else
        values = Evaluator(system, dict(zip(ids, y, strict=True)), t)
        found = np.array([values.evaluate(system.quantities[sid].rate) for sid in ids])
        expected = compiled(case, t, y)
        error = np.abs(found - expected) / (np.abs(expected) + 1e-3 * np.abs(y) + 1e-30)
        assert error.max() < 1e-11, ids[int(error.argmax())]
