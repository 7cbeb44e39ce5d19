"""Performance-critical core: numpy, numba and math only."""
