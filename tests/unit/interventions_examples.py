"""Small treatments and patients for the tests of interventions."""

from __future__ import annotations

import numpy as np

from tumorsim.interventions.events import EventTable, Recipients
from tumorsim.interventions.treatment import treatment_class
from tumorsim.params.cell_product import CellModel
from tumorsim.params.drug import DrugModel
from tumorsim.params.tace import TaceModel
from tumorsim.units import DIMENSIONS


def _filled(model, name, **more):
    """A library entry whose obligatory parameters lie somewhere inside their bounds."""
    raw = {"name": name, "label": name.capitalize(), **more}
    for parameter in model.names():
        if model.model_fields[parameter].is_required() and parameter not in raw:
            extra = model.model_fields[parameter].json_schema_extra
            highest = min(bound for bound in (extra["le"], extra["lt"], 1.0) if bound is not None)
            raw[parameter] = f"{0.5 * highest} {DIMENSIONS[extra['dimension']].internal}".removesuffix(" 1")
    return model.model_validate(raw)


TABLET = _filled(DrugModel, "tablet")
CAPSULE = _filled(DrugModel, "capsule")
ANTIBODY = _filled(DrugModel, "antibody", route="iv")
CIK = _filled(CellModel, "cik")
NK = _filled(CellModel, "nk")
CTACE = _filled(TaceModel, "ctace")


def treatment(**raw):
    """A treatment as a scenario would give it."""
    return treatment_class(raw).model_validate(raw)


def patients(number, first=0, weight=70.0, surface=1.8, factor=1.0):
    """Alike patients with consecutive numbers."""
    full = [np.broadcast_to(np.asarray(value, float), number).copy() for value in (weight, surface, factor)]
    return Recipients(np.arange(first, first + number), *full)


def listed(table: EventTable, patient=0):
    """Events of one patient as tuples (time, kind, index, value)."""
    own = slice(table.offset[patient], table.offset[patient + 1])
    columns = (table.time, table.kind, table.index, table.value)
    return list(zip(*(column[own].tolist() for column in columns), strict=True))


def same(one: EventTable, other: EventTable):
    """Equal bit for bit."""
    names = ("offset", "time", "kind", "index", "value")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in names)
