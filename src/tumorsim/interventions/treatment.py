"""The treatments there are, and which of them a mapping means."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Discriminator, Tag

from tumorsim.interventions.ablation import Ablation
from tumorsim.interventions.base import Intervention
from tumorsim.interventions.drug import DrugCourse
from tumorsim.interventions.infusion import CellInfusion
from tumorsim.interventions.surgery import Resection
from tumorsim.interventions.tace import Tace

INTERVENTIONS: tuple[type[Intervention], ...] = (DrugCourse, CellInfusion, Tace, Resection, Ablation)
KEYS: tuple[str, ...] = tuple(kind.KEY for kind in INTERVENTIONS)


def treatment_kind(raw: object) -> str:
    """Key of the treatment that a mapping means: the one of `KEYS` that it has.

    Parameters
    ----------
    raw
        ``{"drug": …, "dose": …}``, or a treatment.

    Raises
    ------
    ValueError
        No mapping, or none or several of the keys; the message lists them.
    """
    if isinstance(raw, Intervention):
        return raw.KEY
    known = ", ".join(KEYS)
    if not isinstance(raw, dict):
        raise ValueError(f"a treatment must be a mapping with one of {known}, e.g. {{drug: sorafenib, dose: 400 mg}}")
    found = [key for key in KEYS if key in raw]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"a treatment has both {' and '.join(found)}; write one treatment for each")
    near = [match for key in raw for match in difflib.get_close_matches(str(key), KEYS, 1)]
    advice = f"did you mean {near[0]}?" if near else "e.g. {drug: sorafenib, dose: 400 mg}"
    raise ValueError(f"a treatment must have one of {known}; {advice}")


def treatment_class(raw: object) -> type[Intervention]:
    """Class of the treatment that a mapping means; raises as `treatment_kind`."""
    return INTERVENTIONS[KEYS.index(treatment_kind(raw))]


def _known(raw: Any) -> Any:
    treatment_kind(raw)  # raises with advice; the discriminator below would only say "no tag"
    return raw


def _tag(raw: Any) -> str:
    return f"<{treatment_kind(raw)}>"


if TYPE_CHECKING:
    Treatment = Intervention
else:
    Treatment = Annotated[
        Union[tuple(Annotated[kind, Tag(f"<{kind.KEY}>")] for kind in INTERVENTIONS)],  # noqa: UP007 (made from a tuple)
        Discriminator(_tag),
        BeforeValidator(_known),
    ]
"""Any treatment. In the location of an error the kind stands in angle brackets: ``("<drug>", "dose")``."""
