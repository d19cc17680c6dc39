"""Attention over one text by one head, in bfloat16 with a processor's tiles, compiled by numba.

The same as `head_by_lanes.py`, but that both products are the tiles': a block of 32 queries with 32
keys at a time, and their weights with 32 columns of the values. Weights are rounded to bfloat16
before that, as other kernels for attention do; sums and softmax are in float32.

`mixed` and `work` are float32 arrays; `mixed` has two bfloat16 numbers in the place of one. A
processor with tiles has AVX-512, with which `BLOCK` of `head_by_lanes.py` is `SIDE`, too.
"""

# mypy: disallow-untyped-decorators=False, disallow-untyped-calls=False

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.polynomial import Chebyshev, Polynomial

from bench.backbones._cpu.head_by_lanes import BITS, fetch_ahead, gather, tilt, turn_in
from bench.backbones._cpu.lanes import (
    LANES,
    fused,
    larger,
    load,
    minus,
    number,
    over,
    plus,
    spread,
    store,
    times,
    turn,
)
from bench.backbones._cpu.tiles import (
    SIDE,
    above_floor,
    multiply,
    paired,
    scaled,
    woven_first,
    woven_last,
)

_F = np.float32
_POWERS = tuple(
    _F(c) for c in Chebyshev.interpolate(np.exp2, 3, domain=[0, 1]).convert(kind=Polynomial).coef
)
"""2^x from 0 to 1 as a polynomial, the coefficient of x^0 first."""
_compiled = njit(error_model="numpy")


def room_of(tokens: int, width: int) -> int:
    """Numbers in `work` for texts of at most so many tokens, and heads of this width."""
    rows = -(-tokens // SIDE) * SIDE
    return rows * width + width // 2 * SIDE + SIDE * width + rows * SIDE + SIDE


@_compiled
def attend(
    mixed: Any,
    out: Any,
    work: Any,
    relative: Any,
    middle: int,
    at: Any,
    head: int,
    heads: int,
    width: int,
    ahead: bool,
) -> None:
    """One head of one text, as `attend` of `head_by_lanes.py`."""
    start, tokens = at
    wide, pairs = heads * width, width // 2
    step, rows = 3 * wide // 2, (tokens + SIDE - 1) // SIDE * SIDE
    keys = 0
    values = keys + rows * pairs
    queries = values + rows * pairs
    seen = queries + pairs * SIDE
    scores = seen + SIDE * width
    sums = scores + rows * SIDE
    first = start * step + head * pairs
    gather(mixed, first + wide // 2, step, work, keys, pairs, tokens, rows)
    _weave(mixed, first + wide, step, work, values, pairs, tokens, rows)
    if ahead:
        fetch_ahead(mixed, first + pairs, step, wide // 2, pairs, tokens)
    scale = spread(_F(BITS / math.sqrt(width)))
    for i in range(0, tokens, SIDE):
        left = tokens - i
        turn_in(mixed, first + i * step, step, left, work, queries, pairs)
        by = queries, SIDE, LANES, LANES * SIDE
        for j in range(0, rows, SIDE):
            a = keys + j * pairs, pairs, LANES * pairs, LANES
            multiply(work, a, by, width // SIDE, scores + j * SIDE, SIDE)
        if middle < 0:
            _weigh(work, scores, tokens, rows, scale, sums)
        else:
            tilt(work, scores, tokens, scale, relative, middle + i)
            _weigh(work, scores, tokens, rows, spread(_F(1)), sums)
        weights = scores, SIDE, LANES, LANES * SIDE
        for c in range(0, width, SIDE):
            b = values + c, width, LANES, LANES * width
            multiply(work, weights, b, rows // SIDE, seen + c, width)
        for row in range(min(left, SIDE)):
            of, to = seen + row * width, (start + i + row) * wide + head * width
            share = spread(number(work, sums + row))
            for c in range(0, width, LANES):
                store(out, to + c, times(load(work, of + c), share))


@_compiled
def _weave(
    mixed: Any, at: int, step: int, work: Any, to: int, pairs: int, tokens: int, rows: int
) -> None:
    """A head's values as pairs of rows, and zeros in the rows that are left."""
    for row in range(0, tokens, 2):
        for c in range(0, pairs, LANES):
            x, y = load(mixed, at + row * step + c), spread(_F(0))
            if row + 1 < tokens:
                y = load(mixed, at + (row + 1) * step + c)
            of = to + row * pairs + 2 * c
            store(work, of, woven_first(x, y))
            store(work, of + LANES, woven_last(x, y))
    for i in range(to + (tokens + 1) // 2 * 2 * pairs, to + rows * pairs, LANES):
        store(work, i, spread(_F(0)))


@_compiled
def _weigh(work: Any, scores: int, tokens: int, rows: int, scale: Any, sums: int) -> None:
    """Weights in the place of scores, as the left side of a product: 16 queries by 32 keys at a
    time, a query each row; one over their sums to `sums`."""
    a, b = load(work, scores), load(work, scores + LANES)
    for at in range(scores + SIDE, scores + tokens * SIDE, SIDE):
        a, b = larger(a, load(work, at)), larger(b, load(work, at + LANES))
    a, b = minus(spread(_F(0)), times(a, scale)), minus(spread(_F(0)), times(b, scale))
    left = right = spread(_F(0))
    for pair in range(rows // 2):
        x = y = v = w = spread(_F(0))
        of = scores + 2 * pair * SIDE
        if 2 * pair < tokens:
            x = _power_of_two(fused(load(work, of), scale, a))
            v = _power_of_two(fused(load(work, of + LANES), scale, b))
        if 2 * pair + 1 < tokens:
            y = _power_of_two(fused(load(work, of + SIDE), scale, a))
            w = _power_of_two(fused(load(work, of + SIDE + LANES), scale, b))
        left, right = plus(left, plus(x, y)), plus(right, plus(v, w))
        store(work, scores + pair * SIDE, paired(x, y))
        store(work, scores + pair * SIDE + LANES, paired(v, w))
    for at in range(scores, scores + rows // 2 * SIDE, LANES * SIDE):
        turn(work, at, SIDE, LANES, work, at, SIDE, LANES)
        turn(work, at + LANES, SIDE, LANES, work, at + LANES, SIDE, LANES)
    one = spread(_F(1))
    store(work, sums, over(one, left))
    store(work, sums + LANES, over(one, right))


@_compiled
def _power_of_two(x: Any) -> Any:
    """2^x for x up to 0, off by 1.1e-4 of it at most; the weights are rounded to 2^-9."""
    part = above_floor(x)
    p = fused(spread(_POWERS[3]), part, spread(_POWERS[2]))
    p = fused(p, part, spread(_POWERS[1]))
    return scaled(fused(p, part, spread(_POWERS[0])), x)
