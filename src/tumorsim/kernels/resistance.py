"""How resistant and antigen-low cells arise: scalar laws (docs/theory/resistance.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel


@kernel(inline=True)
def drug_stress(effects):
    """Drug effect that drives phenotypic switching, between 0 and 1 (eq. R2)."""
    return 1.0 - (1.0 - effects.births_sensitive) * (1.0 - effects.sprouting_sensitive)


@kernel(inline=True)
def to_resistant_rate(divisions, stress, p):
    """Sensitive cells turning resistant, per cell and day (eq. R1): mutation at division, switching under drug."""
    return p.mutation_probability * divisions + p.switch_on_rate * stress
