"""Growth of tumour clones: scalar laws (docs/theory/growth.md)."""

from __future__ import annotations

import math

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.elementary import cube_root


@kernel(inline=True)
def half_saturation(amount, half):
    """Michaelis-Menten fraction ``amount / (amount + half)``; zero at zero."""
    return amount / (amount + half)


@kernel(inline=True)
def positive_part(x):
    """``x``, but zero below zero; not ``max``, which makes a number of NaN."""
    return 0.0 if x < 0.0 else x


@kernel(inline=True)
def hypoxic_birth_factor(oxygen, normal_oxygen, half_effect):
    """Births against those at normal oxygenation (eq. G2); one at normal oxygenation."""
    return half_saturation(oxygen, half_effect) / half_saturation(normal_oxygen, half_effect)


@kernel(inline=True)
def birth_rate(growth_rate, oxygen_factor, inhibition):
    """Births per cell and day above turnover (eq. G1)."""
    return growth_rate * oxygen_factor * (1.0 - inhibition)


@kernel(inline=True)
def crowding_rate(growth_rate, cells, capacity):
    """Deaths per cell and day as the lesion fills its vascular capacity (eq. G3)."""
    return growth_rate * cells / capacity


@kernel(inline=True)
def volume_ml(cells, density):
    """Volume in mL of so many cells."""
    return cells / density


@kernel(inline=True)
def diameter_mm(volume):
    """Diameter in mm of a sphere of ``volume`` mL (eq. G4)."""
    return 10.0 * cube_root(6.0 * volume / math.pi)


@kernel(inline=True)
def survival_of_small_lesion(integral, cells):
    """Probability that a birth-death process of ``cells`` founders is still alive (eq. G5).

    ``integral`` is the time integral of the death rate times ``founders / mean``.
    Source: Kendall 1948, Ann Math Stat 19:1, eq. 12.
    """
    return -math.expm1(-cells * math.log1p(1.0 / integral)) if integral > 0.0 else 1.0


@kernel(inline=True)
def extinction_integrand(death_rate, cells_at_start, cells):
    """Derivative of the integral of `survival_of_small_lesion`; zero for a lesion that is not small."""
    return death_rate * cells_at_start / cells
