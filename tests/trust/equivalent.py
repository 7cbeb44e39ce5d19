"""Faults of the kernels that change nothing that anybody could see, each with the reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str, str], str] = {}
"""By file, line of source and change."""
