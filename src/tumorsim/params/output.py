"""What a run stores beside end points."""

from __future__ import annotations

from pydantic import Field

from tumorsim.params.base import Block, Duration


class Output(Block):
    """Trajectories of the first virtual patients."""

    traced_patients: int = Field(
        24, ge=0, le=5000, description="Patients whose trajectories are stored, from number 0."
    )
    interval: Duration = Field(14.0, gt=0, le=365, validate_default=False, description="Time between stored points.")
