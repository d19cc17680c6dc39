"""Products of bfloat16 matrices by a processor's tile registers (Intel's AMX), in code that numba
compiles.

A tile is 16 rows of 64 bytes (Intel 64 manual, volume 1, chapter 18): 16 numbers of float32 each,
or 32 of bfloat16. What is here multiplies 32 rows by 32 columns, which takes all eight tiles: four
of sums, two of either side. Arrays are float32, and offsets in numbers of it, whatever they hold: a
pair of bfloat16 numbers has the place of one. The right side has pairs of rows, as the processor
wants them: number c of a row is the pair that column c has in two rows that follow each other.
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from bench.backbones._cpu.lanes import (
    LANES,
    Builder,
    Generate,
    Value,
    address,
    constant,
    of_two,
)

SIDE = 32
"""Rows and columns of a product, and how many numbers of a row it takes at a time."""

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_PLACE = _BYTE.as_pointer()
_WHOLE = ir.VectorType(ir.IntType(32), LANES)
_PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)
_ROWS, _BYTES = 16, 64  # of each tile
_SETTINGS = bytes([1, *[0] * 15, *[_BYTES, 0] * 8, *[0] * 16, *[_ROWS] * 8, *[0] * 8])
"""Palette 1; bytes of a row of each tile, 16 bits each, from byte 16 on; rows from byte 48 on."""


def _do(builder: Builder, name: str, *given: Value) -> None:
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
    call = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")
    builder.call(call, given)


def _tile(number: int) -> Value:
    return ir.Constant(_BYTE, number)


@intrinsic
def configure(_: Any) -> tuple[Any, Generate]:
    """Give this thread eight tiles of full size."""

    def generate(context: Any, builder: Builder, _signature: Any, _values: Any) -> Value:
        kind = ir.ArrayType(_BYTE, len(_SETTINGS))
        settings = cgutils.alloca_once_value(builder, ir.Constant(kind, bytearray(_SETTINGS)))
        _do(builder, "ldtilecfg", builder.bitcast(settings, _PLACE))
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def release(_: Any) -> tuple[Any, Generate]:
    """Have no tiles any more: threads with tiles are dearer to switch."""

    def generate(context: Any, builder: Builder, _signature: Any, _values: Any) -> Value:
        _do(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _clear(_: Any) -> tuple[Any, Generate]:
    def generate(context: Any, builder: Builder, _signature: Any, _values: Any) -> Value:
        for number in range(4):
            _do(builder, "tilezero", _tile(number))
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _add(
    _: Any, work: Any, a: Any, a_row: Any, below: Any, b: Any, b_row: Any, right: Any
) -> tuple[Any, Generate]:
    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        work, a, a_row, below, b, b_row, right = values
        left = (4, a, a_row), (5, builder.add(a, below), a_row)
        for number, at, row in (*left, (6, b, b_row), (7, builder.add(b, right), b_row)):
            where = builder.bitcast(address(context, builder, signature.args[0], work, at), _PLACE)
            _do(builder, "tileloadd64", _tile(number), where, builder.shl(row, _WORD(2)))
        for number in range(4):
            of = _tile(4 + number // 2), _tile(6 + number % 2)
            _do(builder, "tdpbf16ps", _tile(number), *of)
        return context.get_dummy_value()

    word = types.intp
    return types.void(work, *[word] * 6), generate


@intrinsic
def _take(_: Any, work: Any, c: Any, c_row: Any) -> tuple[Any, Generate]:
    def generate(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
        work, c, c_row = values
        right, below = _WORD(LANES), builder.mul(c_row, _WORD(_ROWS))
        for number in range(4):
            at = builder.add(c, below) if number // 2 else c
            at = builder.add(at, right) if number % 2 else at
            where = builder.bitcast(address(context, builder, signature.args[0], work, at), _PLACE)
            _do(builder, "tilestored64", _tile(number), where, builder.shl(c_row, _WORD(2)))
        return context.get_dummy_value()

    return types.void(work, types.intp, types.intp), generate


@njit(error_model="numpy")
def multiply(work: Any, a: Any, b: Any, count: int, c: int, c_row: int) -> None:
    """Write 32 rows by 32 columns of sums to `c`, float32, over `count` times 32 products.

    Args:
        work: where everything stands.
        a: of the left side (bfloat16): where it begins, from a row to the next, to row 16, and to
            the next 32 numbers of a row.
        b: of the right side (pairs of rows): where it begins, from a pair to the next, to column
            16, and to the next 16 pairs.
        count: how many times 32 numbers a row of the left side has.
        c: where the sums begin.
        c_row: from a row of sums to the next.
    """
    of, a_row, below, a_next = a
    by, b_row, right, b_next = b
    _clear()
    for k in range(count):
        _add(work, of + k * a_next, a_row, below, by + k * b_next, b_row, right)
    _take(work, c, c_row)


def _paired(builder: Builder, x: Value, y: Value) -> Value:
    half, upper = constant(0x8000), constant(0xFFFF0000 - 2**32)
    low = builder.lshr(builder.add(builder.bitcast(x, _WHOLE), half), constant(16))
    high = builder.and_(builder.add(builder.bitcast(y, _WHOLE), half), upper)
    return builder.bitcast(builder.or_(low, high), x.type)


paired = of_two(_paired)
"""Pairs of a number of each, rounded to bfloat16 (to nearest, ties away from zero)."""


def _woven(builder: Builder, x: Value, y: Value, first: int) -> Value:
    order = [first + i // 2 + (2 * LANES if i % 2 else 0) for i in range(2 * LANES)]
    mask = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), order)
    found = builder.shuffle_vector(builder.bitcast(x, _PAIRS), builder.bitcast(y, _PAIRS), mask)
    return builder.bitcast(found, x.type)


woven_first = of_two(lambda builder, x, y: _woven(builder, x, y, 0))
"""Of two rows of bfloat16 numbers the pairs of the first half of their columns."""
woven_last = of_two(lambda builder, x, y: _woven(builder, x, y, LANES))
"""The pairs of the last half."""


def _masked(builder: Builder, name: str, *given: Value) -> Value:
    """One of AVX-512's instructions, which take a mask of lanes and what stands in the others."""
    vector, every = given[0].type, ir.Constant(ir.IntType(LANES), 2**LANES - 1)
    now = ir.Constant(ir.IntType(32), 4)  # rounding as it is set
    given = (*given, given[0], every, now)
    kind = ir.FunctionType(vector, [value.type for value in given])
    full = f"llvm.x86.avx512.mask.{name}.ps.512"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), given)


scaled = of_two(lambda builder, x, y: _masked(builder, "scalef", x, y))
"""`x * 2^floor(y)`, 0 where that is too small."""


@intrinsic
def above_floor(_: Any, x: Any) -> tuple[Any, Generate]:
    """`x - floor(x)`."""

    def generate(_context: Any, builder: Builder, _signature: Any, values: Any) -> Value:
        down = ir.Constant(ir.IntType(32), 1)
        return _masked(builder, "reduce", values[0], down)

    return x(x), generate
