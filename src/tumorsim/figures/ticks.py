"""Round ticks of a logarithmic axis, and numbers in as few signs as an axis has room for."""

from __future__ import annotations

import numpy as np

from tumorsim.figures.style import superscript


def compact(value: float) -> str:
    """A number in as few signs as an axis has room for: ``0.02``, ``350``, ``2·10⁵``."""
    if value == 0.0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    if 1e3 <= abs(value) < 1e4:
        return f"{value:.0f}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    mantissa = mantissa.removesuffix(".0")
    power = f"10{superscript(int(exponent))}"
    return power if mantissa == "1" else f"{mantissa}·{power}"


def log_ticks(low: float, high: float, most: int = 3) -> tuple[list[float], list[str]]:
    """At most ``most`` round ticks between two ends given as logarithms to the base 10, with their texts."""
    for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
        found = [k + float(np.log10(step)) for k in decades for step in steps]
        found = [x for x in found if low <= x <= high]
        if len(found) <= most:
            break
    found = found[:: max(1, -(-len(found) // most))]
    if len(found) >= max(2, (most + 1) // 2) or high - low > 1.0:
        return found, [compact(10.0**x) for x in found]
    from matplotlib.ticker import MaxNLocator

    even = [float(x) for x in MaxNLocator(most).tick_values(10.0**low, 10.0**high) if 10.0**low <= x <= 10.0**high]
    return [float(np.log10(x)) for x in even], [compact(x) for x in even]
