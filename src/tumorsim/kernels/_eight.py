"""Eight numbers side by side, in the registers of the processor where it has such, for rows of a lattice.

The compiler finds such code by itself where turns of a loop cannot meet. A red-black sweep writes what its next turn
reads, so here it is said by hand (docs/numerics/fields.md). Sums, differences and products of eights, and of an eight
and a number, are written as those of numbers: one law serves both, and each of the eight has the bits that it would
have alone. Without the compiler an eight is an array of NumPy.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, config, types
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, register_model

from tumorsim.kernels._jit import intrinsic_of

WIDTH = 8
ROW = ir.VectorType(ir.DoubleType(), WIDTH)


# --- without the compiler ---------------------------------------------------------------


def _row(array: Any, first: Any, x: Any) -> Any:
    """Eight neighbours of a flat array, as a view."""
    if first + x < 0 or first + x + WIDTH > array.size:
        raise IndexError("eight neighbours reach beyond the array")
    return array[first + x : first + x + WIDTH]


def take(array: Any, first: Any, x: Any) -> Any:
    """Eight neighbours of a flat array from ``first + x`` on.

    Two numbers, so that the address of the row is worked out before its loop.
    """
    return _row(array, first, x).copy()


def put(array: Any, first: Any, x: Any, eight: Any) -> None:
    """Write eight neighbours of a flat array from ``first + x`` on."""
    _row(array, first, x)[:] = eight


def every_other(odd: Any, eight: Any, rest: Any) -> Any:
    """Every second of ``eight``, the first or, where ``odd`` is one, the second and so on; between them ``rest``."""
    found = rest.copy()
    found[odd::2] = eight[odd::2]
    return found


def from_lane(lane: Any, eight: Any, rest: Any) -> Any:
    """Of ``eight`` from its number ``lane`` on, of ``rest`` before."""
    return np.where(np.arange(WIDTH) >= lane, eight, rest)


def from_west(eight: Any) -> Any:
    """Western neighbours of eight at the beginning of a row: there is none of the first, a zero stands for it."""
    return np.concatenate([[0.0], eight[:-1]])


def from_east(eight: Any) -> Any:
    """Eastern neighbours of eight at the end of a row."""
    return np.concatenate([eight[1:], [0.0]])


def where_positive(sign: Any, eight: Any, rest: Any) -> Any:
    """Of ``eight`` where ``sign`` is above zero, of ``rest`` elsewhere."""
    return np.where(sign > 0.0, eight, rest)


def quotient(above: Any, below: Any) -> Any:
    """``above`` over ``below``, without a word where that is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below


def pair_sums(low: Any, high: Any) -> Any:
    """Sums of the first and second, third and fourth ... of sixteen."""
    both = np.concatenate([low, high])
    return both[::2] + both[1::2]


def zipped(even: Any, odd: Any) -> Any:
    """Sixteen in turn from the one and the other, as two eights."""
    both = np.stack([even, odd], axis=1).ravel()
    return both[:WIDTH], both[WIDTH:]


def transposed(rows: Any) -> Any:
    """Columns of eight eights."""
    return tuple(np.stack(rows).T.copy())


# --- with the compiler --------------------------------------------------------------------


class EightType(types.Type):  # numba has no types
    """Type of eight doubles in kernels."""

    def __init__(self) -> None:
        super().__init__(name="eight")


EIGHT = EightType()


@register_model(EightType)
class EightModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector of LLVM."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ROW)


def spread(builder: Any, value: Any) -> Any:
    """A number eight times over; an eight as it is."""
    if value.type == ROW:
        return value
    one = builder.insert_element(ir.Constant(ROW, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, chosen([0] * WIDTH))


def chosen(places: list[int]) -> Any:
    """Which of two eights' numbers, for ``shufflevector``."""
    return ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), places)


def _arithmetic(law: Any, name: str) -> None:
    """Teach the compiler one operator."""

    @infer_global(law)
    class Rule(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            if not kws and len(args) == 2 and EIGHT in args and {*args} <= {EIGHT, types.float64}:
                return signature(EIGHT, *args)
            return None

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return getattr(builder, name)(*(spread(builder, value) for value in arguments))

    for pair in ((EIGHT, EIGHT), (EIGHT, types.float64), (types.float64, EIGHT)):
        lower_builtin(law, *pair)(emit)


def _place(context: Any, builder: Any, kind: Any, arguments: Any) -> Any:
    """Address of eight neighbours."""
    made = context.make_array(kind)(context, builder, arguments[0])
    first, x = arguments[1:3]
    if config.BOUNDSCHECK:
        (size,) = cgutils.unpack_tuple(builder, made.shape)
        place = builder.add(first, x)
        for end in (place, builder.add(place, x.type(WIDTH - 1))):
            cgutils.do_boundscheck(context, builder, end, size)
    return builder.bitcast(builder.gep(builder.gep(made.data, [first]), [x]), ROW.as_pointer())


if not config.DISABLE_JIT:
    _arithmetic(operator.add, "fadd")
    _arithmetic(operator.sub, "fsub")
    _arithmetic(operator.mul, "fmul")
    _arithmetic(operator.truediv, "fdiv")

    @intrinsic_of(take)
    def take(_typing: Any, array: Any, _first: Any, _x: Any) -> Any:
        """One load."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(_place(context, builder, signature.args[0], arguments), align=8)

        return EIGHT(array, types.int64, types.int64), emit

    @intrinsic_of(put)
    def put(_typing: Any, array: Any, _first: Any, _x: Any, _eight: Any) -> Any:
        """One store."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.store(arguments[3], _place(context, builder, signature.args[0], arguments), align=8)
            return context.get_dummy_value()

        return types.none(array, types.int64, types.int64, EIGHT), emit

    @intrinsic_of(every_other)
    def every_other(_typing: Any, _odd: Any, _eight: Any, _rest: Any) -> Any:
        """Bits of the one and of the other: the compiler would make of a choice a store that leaves gaps, and waits."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            bits = ir.VectorType(ir.IntType(64), WIDTH)
            odd = arguments[0]
            masks = [ir.Constant(bits, [-int(k % 2 == parity) for k in range(WIDTH)]) for parity in (0, 1)]
            mask = builder.select(builder.icmp_signed("==", odd, odd.type(0)), *masks)
            eight, rest = (builder.bitcast(value, bits) for value in arguments[1:])
            found = builder.xor(rest, builder.and_(builder.xor(eight, rest), mask))
            return builder.bitcast(found, ROW)

        return EIGHT(types.int64, EIGHT, EIGHT), emit

    @intrinsic_of(from_lane)
    def from_lane(_typing: Any, _lane: Any, _eight: Any, _rest: Any) -> Any:
        """A comparison and a choice."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            lane, eight, rest = arguments
            lanes = ir.VectorType(lane.type, WIDTH)
            one = builder.insert_element(ir.Constant(lanes, ir.Undefined), lane, ir.Constant(ir.IntType(32), 0))
            mask = builder.icmp_signed(
                ">=", ir.Constant(lanes, [*range(WIDTH)]), builder.shuffle_vector(one, one, chosen([0] * WIDTH))
            )
            return builder.select(mask, eight, rest)

        return EIGHT(types.int64, EIGHT, EIGHT), emit

    def _shuffled(plain: Any, places: list[int]) -> Any:
        """An intrinsic that puts numbers of an eight, and a zero, in other places."""

        def shuffle(_typing: Any, _eight: Any) -> Any:
            def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
                zero = ir.Constant(ROW, [0.0] * WIDTH)
                return builder.shuffle_vector(arguments[0], zero, chosen(places))

            return EIGHT(EIGHT), emit

        return intrinsic_of(plain)(shuffle)

    from_west = _shuffled(from_west, [WIDTH, *range(WIDTH - 1)])
    from_east = _shuffled(from_east, [*range(1, WIDTH), WIDTH])

    @intrinsic_of(where_positive)
    def where_positive(_typing: Any, sign: Any, eight: Any, rest: Any) -> Any:
        """A comparison and a choice."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            sign, eight, rest = (spread(builder, value) for value in arguments)
            return builder.select(builder.fcmp_ordered(">", sign, ir.Constant(ROW, [0.0] * WIDTH)), eight, rest)

        return EIGHT(sign, eight, rest), emit

    @intrinsic_of(quotient)
    def quotient(_typing: Any, above: Any, below: Any) -> Any:
        """One division; infinite, or no number, over zero."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.fdiv(*(spread(builder, value) for value in arguments))

        return EIGHT(above, below), emit

    @intrinsic_of(pair_sums)
    def pair_sums(_typing: Any, _low: Any, _high: Any) -> Any:
        """Two shuffles and a sum."""

        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            even, odd = (builder.shuffle_vector(*arguments, chosen([*range(first, 2 * WIDTH, 2)])) for first in (0, 1))
            return builder.fadd(even, odd)

        return EIGHT(EIGHT, EIGHT), emit

    @intrinsic_of(zipped)
    def zipped(_typing: Any, _even: Any, _odd: Any) -> Any:
        """Two shuffles."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            half = WIDTH // 2
            halves = [
                builder.shuffle_vector(
                    *arguments, chosen([k for i in range(first, first + half) for k in (i, i + WIDTH)])
                )
                for first in (0, half)
            ]
            return context.make_tuple(builder, signature.return_type, halves)

        return types.UniTuple(EIGHT, 2)(EIGHT, EIGHT), emit  # type: ignore[attr-defined] # made at import

    @intrinsic_of(transposed)
    def transposed(_typing: Any, rows: Any) -> Any:
        """Three rounds of shuffles: of neighbours, of pairs, of fours."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            eights = cgutils.unpack_tuple(builder, arguments[0])
            for span in (1, 2, 4):
                low = [k if k & span == 0 else k - span + WIDTH for k in range(WIDTH)]
                high = [k + span if k & span == 0 else k + WIDTH for k in range(WIDTH)]
                eights = [
                    builder.shuffle_vector(eights[k & ~span], eights[k | span], chosen(high if k & span else low))
                    for k in range(WIDTH)
                ]
            return context.make_tuple(builder, signature.return_type, eights)

        return rows(rows), emit
