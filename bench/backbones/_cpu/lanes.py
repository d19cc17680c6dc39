"""Rows of float32 numbers that a processor takes at once, in code that numba compiles.

numba has loops over numbers, and LLVM makes vectors of them where it can prove that arrays do not
overlap and are long enough. Attention's are neither. Here a vector is a value of its own: what is
written is what runs. Arrays hold float32, or bfloat16 as uint16, which is widened when it is
loaded and rounded to nearest, ties to even, when it is stored. Nothing looks at bounds.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-decorators=False

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8
"""Numbers in a register of the processor."""

_INT32 = ir.IntType(32)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_WHOLE = ir.VectorType(_INT32, LANES)
_HALF = ir.VectorType(ir.IntType(16), LANES)

Builder: TypeAlias = Any
Value: TypeAlias = Any
Generate: TypeAlias = Callable[..., Value]


class _Lanes(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name=f"Lanes({LANES})")


_lanes = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def address(context: Any, builder: Builder, kind: Any, array: Value, at: Value) -> Value:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def constant(number: int) -> Value:
    return ir.Constant(_WHOLE, [number] * LANES)


def _get(builder: Builder, place: Value) -> Value:
    wide = isinstance(place.type.pointee, ir.FloatType)
    kind = _VECTOR if wide else _HALF
    found = builder.load(builder.bitcast(place, kind.as_pointer()), align=4 if wide else 2)
    if wide:
        return found
    return builder.bitcast(builder.shl(builder.zext(found, _WHOLE), constant(16)), _VECTOR)


def _put(builder: Builder, place: Value, value: Value) -> None:
    wide = isinstance(place.type.pointee, ir.FloatType)
    if not wide:
        bits = builder.bitcast(value, _WHOLE)
        odd = builder.and_(builder.lshr(bits, constant(16)), constant(1))
        near = builder.add(builder.add(bits, odd), constant(0x7FFF))
        value = builder.trunc(builder.lshr(near, constant(16)), _HALF)
    builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=4 if wide else 2)


@intrinsic
def load(_: Any, array: Any, at: Any) -> tuple[Any, Generate]:
    """The numbers of `array` from `at` on."""

    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        return _get(builder, address(context, builder, signature.args[0], *values))

    return _lanes(array, types.intp), generate


@intrinsic
def store(_: Any, array: Any, at: Any, value: Any) -> tuple[Any, Generate]:
    """Write `value` to `array` from `at` on."""

    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        place = address(context, builder, signature.args[0], *values[:2])
        _put(builder, place, values[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, _lanes), generate


@intrinsic
def number(_: Any, array: Any, at: Any) -> tuple[Any, Generate]:
    """One number of a float32 array."""

    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        return builder.load(address(context, builder, signature.args[0], *values))

    return types.float32(array, types.intp), generate


@intrinsic
def spread(_: Any, x: Any) -> tuple[Any, Generate]:
    """The number `x` in every lane."""

    def generate(_context: Any, builder: Builder, _signature: Any, values: Any) -> Value:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, values[0], ir.Constant(_INT32, 0))
        return builder.shuffle_vector(first, nothing, constant(0))

    return _lanes(types.float32), generate


@intrinsic
def fused(_: Any, a: Any, b: Any, c: Any) -> tuple[Any, Generate]:
    """`a * b + c`, rounded once."""

    def generate(_context: Any, builder: Builder, _signature: Any, values: Any) -> Value:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        name = f"llvm.fma.v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    return _lanes(_lanes, _lanes, _lanes), generate


@intrinsic
def total(_: Any, x: Any) -> tuple[Any, Generate]:
    """The sum over lanes: halves are added, then quarters, and so on."""

    def generate(_context: Any, builder: Builder, _signature: Any, values: Any) -> Value:
        (x,), size = values, LANES // 2
        while size:
            other = ir.Constant(_WHOLE, [i ^ size for i in range(LANES)])
            x, size = builder.fadd(x, builder.shuffle_vector(x, x, other)), size // 2
        return builder.extract_element(x, ir.Constant(_INT32, 0))

    return types.float32(_lanes), generate


def of_two(make: Callable[[Builder, Value, Value], Value]) -> Any:
    @intrinsic
    def operation(_: Any, a: Any, b: Any) -> tuple[Any, Generate]:
        def generate(_context: Any, builder: Builder, _signature: Any, values: Any) -> Value:
            return make(builder, *values)

        return _lanes(_lanes, _lanes), generate

    return operation


plus = of_two(lambda builder, a, b: builder.fadd(a, b))
minus = of_two(lambda builder, a, b: builder.fsub(a, b))
times = of_two(lambda builder, a, b: builder.fmul(a, b))
over = of_two(lambda builder, a, b: builder.fdiv(a, b))
larger = of_two(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
"""`a` where it is larger than `b`, else `b`: what is no number stays none as `b`."""
smaller = of_two(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))
"""`a` where it is smaller than `b`, else `b`, likewise."""


def _shifted(builder: Builder, a: Value, near: Value) -> Value:
    power = builder.shl(builder.bitcast(near, _WHOLE), constant(23))  # beside the exponent's bias
    return builder.fmul(a, builder.bitcast(builder.add(power, constant(127 << 23)), _VECTOR))


shifted = of_two(_shifted)
"""`a * 2^n` of whole n from -126 to 127, given as `NEAREST + n`, the last bits of which are n's."""
NEAREST = 1.5 * 2**23
"""Added to a number it leaves the nearest whole one, and is to be taken off again."""


@intrinsic
def turn(
    _: Any, of: Any, start: Any, step: Any, have: Any, to: Any, at: Any, stride: Any, room: Any
) -> tuple[Any, Generate]:
    """Write the transpose of so many rows of numbers as there are lanes.

    Row r is read from `start + step * min(r, have - 1)`, `have` may be below 1, and column r is
    written to `at + stride * r` where r is below `room`.
    """

    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        of, start, step, have, to, at, stride, room = values
        word, rows = start.type, []
        last = builder.sub(have, word(1))
        for r in range(LANES):
            row = builder.select(builder.icmp_signed("<", word(r), last), word(r), last)
            index = builder.add(start, builder.mul(step, row))
            rows.append(_get(builder, address(context, builder, signature.args[0], of, index)))
        for r, column in enumerate(_transposed(builder, rows)):
            with builder.if_then(builder.icmp_signed("<", word(r), room), likely=True):
                index = builder.add(at, builder.mul(stride, word(r)))
                _put(builder, address(context, builder, signature.args[4], to, index), column)
        return context.get_dummy_value()

    word = types.intp
    return types.void(of, word, word, word, to, word, word, word), generate


def _transposed(builder: Builder, rows: list[Value]) -> list[Value]:
    """By exchanging halves of pairs of rows, then quarters, and so on."""
    size = LANES // 2
    while size:
        exchanged = list(rows)
        for a in range(LANES):
            b = a | size
            if a == b:
                continue
            upper = [i if not i & size else LANES + (i ^ size) for i in range(LANES)]
            lower = [i | size if not i & size else LANES + i for i in range(LANES)]
            for row, mask in ((a, upper), (b, lower)):
                chosen = ir.Constant(_WHOLE, mask)
                exchanged[row] = builder.shuffle_vector(rows[a], rows[b], chosen)
        rows, size = exchanged, size // 2
    return rows


@intrinsic
def fetch(_: Any, array: Any, at: Any) -> tuple[Any, Generate]:
    """Have what stands in `array` at `at` brought near, for later."""

    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        place = address(context, builder, signature.args[0], *values)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        bring = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, close, data = (ir.Constant(_INT32, n) for n in (0, 3, 1))
        builder.call(bring, [builder.bitcast(place, byte), to_read, close, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def ticket(_: Any, counters: Any, at: Any) -> tuple[Any, Generate]:
    """The next number of a counter (int64), which no other thread gets."""

    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        place = address(context, builder, signature.args[0], *values)
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counters, types.intp), generate


@intrinsic
def pointer(_: Any, address: Any) -> tuple[Any, Generate]:
    """What `numba.carray` takes, of an address."""

    def generate(_context: Any, builder: Builder, _signature: Any, values: Any) -> Value:
        return builder.inttoptr(values[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate
