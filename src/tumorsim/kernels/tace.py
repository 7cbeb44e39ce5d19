"""Transarterial chemoembolisation: scalar laws (docs/theory/tace.md)."""

from __future__ import annotations

from tumorsim.kernels._jit import kernel


@kernel
def table_quantile(u, table):
    """Quantile at ``u`` in (0, 1) from equally spaced quantiles, linear between them."""
    position = u * (table.size - 1)
    low = min(int(position), table.size - 2)
    return table[low] + (position - low) * (table[low + 1] - table[low])
