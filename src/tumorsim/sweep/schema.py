"""JSON Schema of sweep files, for editors."""

from __future__ import annotations

from typing import Any

from tumorsim.schema import DRAFT
from tumorsim.sweep.config import LAYOUT, FactorChoice, Sweep

Json = dict[str, Any]


def sweep_json_schema() -> Json:
    """JSON Schema (Draft 2020-12) that every valid sweep file keeps; `load_sweep` checks what the scenario decides."""
    schema = _plain(Sweep.model_json_schema(mode="validation"))
    schema["properties"]["sweep"]["const"] = LAYOUT
    factor = schema["$defs"][FactorChoice.__name__]
    factor["oneOf"] = [{"required": ["values"]}, {"required": ["low", "high"]}]
    return {"$schema": DRAFT, "title": "tumorsim sweep", **{k: v for k, v in schema.items() if k != "title"}}


def _plain(tree: Any) -> Any:
    """Without the titles that are made of the names of keys."""
    if isinstance(tree, list):
        return [_plain(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: _plain(child) for key, child in tree.items() if key != "title" or not isinstance(child, str)}
