"""Faults of the kernels that change nothing that anybody could see, each with the reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("cycle.py", "if to_unit(words[0]) < resistance.mutation_probability:", "< to <="): (
        "a draw equals a probability in all its bits once in 2^52; no draw is 0 or 1, so those stay what they are"
    ),
    (
        "diffusion.py",
        "react_voxels(values, loss[z * plane : (z + 1) * plane], gain[z * plane : (z + 1) * plane], dt)",
        "1 to 2",
    ): "the slice is longer, and the loop goes over the concentrations alone",
}
"""By file, line of source and change."""
