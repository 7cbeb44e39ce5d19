"""The file: SBML Level 3 Version 2 core, written and checked by libsbml."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from tumorsim.extras import need
from tumorsim.sbml.system import SbmlError, System
from tumorsim.sbml.units import UNITS

LEVEL, VERSION = 3, 2


def sbml_text(system: System, model_id: str, title: str, notes: Sequence[str]) -> str:
    """The model as SBML.

    Parameters
    ----------
    system
        The model.
    model_id, title
        Identifier and name of the model.
    notes
        Paragraphs for people.

    Raises
    ------
    SbmlError
        libsbml finds a fault in what was written.
    MissingLibraryError
        python-libsbml is not installed.
    """
    libsbml = need("libsbml", "sbml")
    document = libsbml.SBMLDocument(LEVEL, VERSION)
    model = document.createModel()
    model.setId(model_id)
    model.setName(title)
    model.setTimeUnits("day")
    _notes(model, notes)
    for sid, parts in UNITS.values():
        _unit(model, sid, parts)
    for sid, one in system.quantities.items():
        parameter = model.createParameter()
        parameter.setId(sid)
        parameter.setName(one.name)
        if not math.isfinite(one.value):
            raise SbmlError(f"{sid} is {one.value} at the start, which is no number; this is a defect")
        parameter.setValue(one.value)
        parameter.setUnits(UNITS[one.unit][0])
        parameter.setConstant(one.constant)
        if one.note:
            _notes(parameter, [one.note])
    for sid, law in system.laws.items():
        parameter = model.createParameter()
        parameter.setId(sid)
        parameter.setName(law.name)
        parameter.setUnits(UNITS[law.unit][0])
        parameter.setConstant(False)
        rule = model.createAssignmentRule()
        rule.setVariable(sid)
        rule.setMath(_formula(libsbml, law.formula))
    for sid, one in system.quantities.items():
        if one.rate is not None:
            rate = model.createRateRule()
            rate.setVariable(sid)
            rate.setMath(_formula(libsbml, one.rate))
    for sid, happening in system.events.items():
        event = model.createEvent()
        event.setId(sid)
        event.setName(happening.name)
        event.setUseValuesFromTriggerTime(True)
        trigger = event.createTrigger()
        trigger.setInitialValue(True)
        trigger.setPersistent(True)
        trigger.setMath(_formula(libsbml, happening.trigger))
        for variable, formula in happening.changes.items():
            change = event.createEventAssignment()
            change.setVariable(variable)
            change.setMath(_formula(libsbml, formula))
    _check(libsbml, document)
    return str(libsbml.SBMLWriter().writeSBMLToString(document))


def findings(text: str, warnings: bool = True) -> list[str]:
    """What libsbml's consistency checks, that of units included, find in a model: one line each.

    Parameters
    ----------
    text
        SBML.
    warnings
        Tell those as well, not only errors.
    """
    libsbml = need("libsbml", "sbml")
    document = libsbml.readSBMLFromString(text)
    return _findings(libsbml, document, libsbml.LIBSBML_SEV_WARNING if warnings else libsbml.LIBSBML_SEV_ERROR)


def _findings(libsbml: Any, document: Any, least: int) -> list[str]:
    document.checkConsistency()
    found = (document.getError(i) for i in range(document.getNumErrors()))
    return [
        f"{one.getErrorId()}, line {one.getLine()}: {' '.join(one.getMessage().split())}"
        for one in found
        if one.getSeverity() >= least
    ]


def _check(libsbml: Any, document: Any) -> None:
    errors = _findings(libsbml, document, libsbml.LIBSBML_SEV_ERROR)
    if errors:
        raise SbmlError(f"libsbml refuses the model, which is a defect of the writer: {'; '.join(errors[:3])}")


def _unit(model: Any, sid: str, parts: Sequence[tuple[str, int, int, float]]) -> None:
    if not parts:
        return
    definition = model.createUnitDefinition()
    definition.setId(sid)
    for kind, exponent, scale, multiplier in parts:
        unit = definition.createUnit()
        unit.setKind(_kind(kind))
        unit.setExponent(exponent)
        unit.setScale(scale)
        unit.setMultiplier(multiplier)


def _kind(name: str) -> int:
    return int(need("libsbml", "sbml").UnitKind_forName(name))


def _notes(element: Any, paragraphs: Sequence[str]) -> None:
    body = "".join(f"<p>{escape(one, quote=False)}</p>" for one in paragraphs)
    element.setNotes(f'<body xmlns="http://www.w3.org/1999/xhtml">{body}</body>')


def _formula(libsbml: Any, text: str) -> Any:
    """MathML of a formula; a number without a unit is dimensionless."""
    tree = libsbml.parseL3Formula(text)
    if tree is None:
        raise SbmlError(f"libsbml cannot read a formula of the writer: {libsbml.getLastParseL3Error()}")
    _dimensionless(tree)
    return tree


def _dimensionless(node: Any) -> None:
    if node.isNumber() and not node.isSetUnits():
        node.setUnits("dimensionless")
    for i in range(node.getNumChildren()):
        _dimensionless(node.getChild(i))
