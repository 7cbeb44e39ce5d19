"""Supply of a lesion: scalar laws (docs/theory/vessels.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel
from tumorsim.kernels.elementary import two_thirds_power
from tumorsim.kernels.growth import half_saturation, positive_part


@kernel(inline=True)
def vascular_density(cells, capacity):
    """Vessel density against that of a lesion that just fills its capacity (eq. V1)."""
    return 2.0 * capacity / (capacity + cells)


@kernel(inline=True)
def perfusion(density, maturity, embolised, p):
    """Perfusion against normal (eq. V2); never below zero, however far vessels are pruned."""
    normalised = (maturity - p.baseline_maturity) / (1.0 - p.baseline_maturity)
    return density * positive_part(1.0 + p.maturity_perfusion_gain * normalised) * (1.0 - embolised)


@kernel(inline=True)
def oxygenation(flow, p):
    """Oxygenation between 0 and 1 (eq. V3)."""
    return half_saturation(flow, p.half_perfusion)


@kernel(inline=True)
def hypoxic_secretion(oxygen, p):
    """VEGF secretion against that of a well-oxygenated cell (eq. V4)."""
    return 1.0 + p.hypoxic_vegf_gain * (1.0 - oxygen)


@kernel(inline=True)
def secreted_vegf(viable_fraction, oxygen, cell_density, p):
    """VEGF in pg/mL in steady state with secretion (eq. V4); its clearance takes an hour."""
    secretion = p.vegf_secretion * cell_density * viable_fraction
    return secretion * hypoxic_secretion(oxygen, p) / p.vegf_clearance_rate


@kernel(inline=True)
def capacity_change(supplied_cells, capacity, volume, vegf, embolised, p):
    """Change of vascular capacity in cells per day (eq. V5).

    ``supplied_cells`` are the cells whose calls for vessels are heard: those whose
    VEGF axis is not blocked.
    """
    sprouting = p.capacity_growth_rate * supplied_cells * half_saturation(vegf, p.vegf_half_effect)
    regression = p.capacity_loss_rate * two_thirds_power(volume) + p.embolised_loss_rate * embolised
    return sprouting - regression * capacity


@kernel(inline=True)
def fourth_power(x):
    """``x**4`` by two products; ``**`` of a float takes its logarithm."""
    square = x * x
    return square * square


@kernel(inline=True)
def pruning_excess(occupancy, p):
    """Share of the largest pruning that an occupancy of the VEGF axis brings (eq. V6); steep above its half."""
    return half_saturation(fourth_power(occupancy), fourth_power(p.pruning_occupancy))


@kernel(inline=True)
def maturation(maturity, occupancy, p):
    """Gain of maturity per day under blockade of the VEGF axis (eq. V6)."""
    return p.maturation_rate * occupancy * (1.0 - maturity)


@kernel(inline=True)
def maturity_return(maturity, p):
    """Loss of maturity per day on its way back to the untreated level (eq. V6); negative from below."""
    return p.maturity_relaxation_rate * (maturity - p.baseline_maturity)


@kernel(inline=True)
def maturity_change(maturity, occupancy, p):
    """Change of vessel maturity per day (eq. V6): maturation, over-pruning, return."""
    pruned = p.pruning_rate * pruning_excess(occupancy, p) * maturity
    return maturation(maturity, occupancy, p) - pruned - maturity_return(maturity, p)
