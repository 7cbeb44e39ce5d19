"""Designs: the points of a sweep, as rows of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from tumorsim.sweep.base import Factor, FloatArray


@dataclass(frozen=True)
class Points:
    """The points of a design.

    Attributes
    ----------
    numbers : (points, factors)
        Values in the units of the factors; NaN for texts.
    texts
        Values as the scenario takes them, a row a point.
    """

    numbers: FloatArray
    texts: tuple[tuple[str, ...], ...]

    def settings(self, factors: Sequence[Factor], point: int) -> list[str]:
        """Settings of one point."""
        return [
            setting for factor, text in zip(factors, self.texts[point], strict=True) for setting in factor.set(text)
        ]

    def __len__(self) -> int:
        return len(self.texts)


def points_of(factors: Sequence[Factor], design: str, samples: int | None, seed: int) -> Points:
    """The points of a design.

    Parameters
    ----------
    factors
        In order; in a grid the last changes fastest.
    design
        ``grid``, ``list``, ``latin_hypercube`` or ``sobol``.
    samples
        Points of the last two.
    seed
        Of the last two.
    """
    if design == "grid":
        rows = list(product(*(range(len(factor.texts)) for factor in factors)))
        return _of_places(factors, rows)
    if design == "list":
        return _of_places(factors, [(k,) * len(factors) for k in range(len(factors[0].texts))])
    from scipy.stats import qmc

    assert samples is not None
    law: Any = qmc.LatinHypercube if design == "latin_hypercube" else qmc.Sobol
    sampler = law(len(factors), rng=np.random.default_rng(seed))
    # a prefix of Sobol' points that is no power of two is less even, and still what was asked for
    unit = sampler.random(samples) if design == "latin_hypercube" else _sobol(sampler, samples)
    return of_unit(factors, unit)


def _sobol(sampler: Any, samples: int) -> FloatArray:
    power = max(0, int(np.ceil(np.log2(samples))))
    return np.asarray(sampler.random_base2(power))[:samples]


def of_unit(factors: Sequence[Factor], unit: FloatArray) -> Points:
    """Points of the unit cube between the ends of the factors. ``unit`` has the shape (points, factors)."""
    numbers = np.stack([factor.between(unit[:, k]) for k, factor in enumerate(factors)], axis=1)
    texts = tuple(tuple(factor.text(float(x)) for factor, x in zip(factors, row, strict=True)) for row in numbers)
    return Points(numbers, texts)


def _of_places(factors: Sequence[Factor], rows: Sequence[Sequence[int]]) -> Points:
    texts = tuple(tuple(factor.texts[k] for factor, k in zip(factors, row, strict=True)) for row in rows)
    numbers = np.array([[factor.numbers[k] for factor, k in zip(factors, row, strict=True)] for row in rows])
    return Points(numbers.reshape(len(rows), len(factors)), texts)
