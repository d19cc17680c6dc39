"""Attention over one text by one head, in code that numba compiles (`bench.backbones._cpu.lanes`).

`mixed` and `out` have the model's type: query, key and value of all tokens of a batch, and what
each has seen. Everything else has its place in `work`, float32. A block of queries is two registers
wide, and stands there turned: a column each.
"""

# mypy: disallow-untyped-decorators=False, disallow-untyped-calls=False

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from bench.backbones._cpu.lanes import (
    LANES,
    NEAREST,
    fetch,
    fused,
    larger,
    load,
    minus,
    number,
    over,
    plus,
    shifted,
    spread,
    store,
    times,
    turn,
)

BLOCK = 2 * LANES
"""Queries at a time."""
ROWS = LANES // 2
"""Keys, or columns of values, that share one load of a block: as many as registers hold sums of."""
FETCHED = 128
"""Tokens of the next head that are asked for while one is computed."""

BITS = 1 / math.log(2)
_F = np.float32
_SERIES = tuple(_F(math.log(2) ** k / math.factorial(k)) for k in range(8))
_compiled = njit(error_model="numpy")


def room_of(tokens: int, width: int) -> int:
    """Numbers in `work` for texts of at most so many tokens, and heads of this width."""
    rows = -(-tokens // ROWS) * ROWS
    return 2 * rows * width + 2 * BLOCK * width + rows * BLOCK


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
    """One head of one text, whose first token and number of tokens are `at`.

    `middle` of `relative` is for a query and a key at one place, -1 where there are none. `ahead`
    says that the next head is this thread's, too.
    """
    start, tokens = at
    wide = heads * width
    step = 3 * wide
    room = (tokens + ROWS - 1) // ROWS * ROWS
    keys = 0
    values = keys + room * width
    queries = values + room * width
    seen = queries + BLOCK * width
    scores = seen + BLOCK * width
    first = start * step + head * width
    gather(mixed, first + wide, step, work, keys, width, tokens, room)
    gather(mixed, first + 2 * wide, step, work, values, width, tokens, room)
    if ahead:
        fetch_ahead(mixed, first + width, step, wide, width, tokens)
    scale = spread(_F(BITS / math.sqrt(width)))
    for i in range(0, tokens, BLOCK):
        left = tokens - i
        turn_in(mixed, first + i * step, step, left, work, queries, width)
        for j in range(0, room, ROWS):
            _multiply(work, keys + j * width, width, 1, queries, width, scores + j * BLOCK)
        if middle < 0:
            a, b = _exponentiate(work, scores, tokens, scale)
        else:
            tilt(work, scores, tokens, scale, relative, middle + i)
            a, b = _exponentiate(work, scores, tokens, spread(_F(1)))
        for c in range(0, width, ROWS):
            _multiply(work, values + c, 1, width, scores, tokens, seen + c * BLOCK)
        for c in range(seen, seen + width * BLOCK, BLOCK):
            store(work, c, times(load(work, c), a))
            store(work, c + LANES, times(load(work, c + LANES), b))
        _turn_out(work, seen, out, (start + i) * wide + head * width, wide, left, width)


@_compiled
def gather(
    mixed: Any, at: int, step: int, work: Any, to: int, width: int, tokens: int, room: int
) -> None:
    """The keys or values of a head's tokens, one after another, and zeros up to `room`."""
    for row in range(tokens):
        for c in range(0, width, LANES):
            store(work, to + row * width + c, load(mixed, at + row * step + c))
    for i in range(to + tokens * width, to + room * width, LANES):
        store(work, i, spread(_F(0)))


@_compiled
def fetch_ahead(mixed: Any, at: int, step: int, wide: int, width: int, tokens: int) -> None:
    """Ask for query, key and value of a head's first tokens."""
    for row in range(at, at + min(tokens, FETCHED) * step, step):
        for i in range(row, row + width, LANES):
            fetch(mixed, i)
            fetch(mixed, i + wide)
            fetch(mixed, i + 2 * wide)


@_compiled
def turn_in(mixed: Any, at: int, step: int, left: int, work: Any, queries: int, width: int) -> None:
    """A block of queries, a column each; where fewer are left the last one fills it up."""
    for c in range(0, width, LANES):
        to = queries + c * BLOCK
        turn(mixed, at + c, step, left, work, to, BLOCK, LANES)
        turn(mixed, at + c + LANES * step, step, left - LANES, work, to + LANES, BLOCK, LANES)


@_compiled
def _turn_out(work: Any, seen: int, out: Any, at: int, step: int, left: int, width: int) -> None:
    """What a block of queries has seen, a row each, as far as there are any."""
    for c in range(0, width, LANES):
        of = seen + c * BLOCK
        turn(work, of, BLOCK, LANES, out, at + c, step, left)
        turn(work, of + LANES, BLOCK, LANES, out, at + c + LANES * step, step, left - LANES)


@_compiled
def _multiply(work: Any, of: int, row: int, column: int, block: int, count: int, to: int) -> None:
    """Row r of `ROWS`: the sum over k of `of + r * row + k * column` times row k of the block."""
    zero = spread(_F(0))
    first = second = (zero, zero, zero, zero, zero, zero, zero, zero)
    for k in range(count):
        left, right = load(work, block + k * BLOCK), load(work, block + k * BLOCK + LANES)
        i = of + k * column
        first = _add_four(first, work, i, row, left, right)
        if ROWS == 8:
            second = _add_four(second, work, i + 4 * row, row, left, right)
    _store_four(work, to, first)
    if ROWS == 8:
        _store_four(work, to + 4 * BLOCK, second)


@_compiled
def _add_four(sums: Any, work: Any, i: int, row: int, left: Any, right: Any) -> Any:
    a, b, c, d = (
        spread(number(work, i)),
        spread(number(work, i + row)),
        spread(number(work, i + 2 * row)),
        spread(number(work, i + 3 * row)),
    )
    s, t, u, v, w, x, y, z = sums
    s, t = fused(a, left, s), fused(a, right, t)
    u, v = fused(b, left, u), fused(b, right, v)
    w, x = fused(c, left, w), fused(c, right, x)
    y, z = fused(d, left, y), fused(d, right, z)
    return s, t, u, v, w, x, y, z


@_compiled
def _store_four(work: Any, to: int, sums: Any) -> None:
    s, t, u, v, w, x, y, z = sums
    _store_row(work, to, s, t)
    _store_row(work, to + BLOCK, u, v)
    _store_row(work, to + 2 * BLOCK, w, x)
    _store_row(work, to + 3 * BLOCK, y, z)


@_compiled
def _store_row(work: Any, at: int, left: Any, right: Any) -> None:
    store(work, at, left)
    store(work, at + LANES, right)


@_compiled
def tilt(work: Any, scores: int, tokens: int, scale: Any, relative: Any, middle: int) -> None:
    """Scores of a block in powers of two, with what is added for where query and key stand."""
    for j in range(tokens):
        at, of = scores + j * BLOCK, middle - j
        left = fused(load(work, at), scale, load(relative, of))
        right = fused(load(work, at + LANES), scale, load(relative, of + LANES))
        _store_row(work, at, left, right)


@_compiled
def _exponentiate(work: Any, scores: int, tokens: int, scale: Any) -> Any:
    """Two to the power of each score less its query's largest; one over their sums."""
    a, b = load(work, scores), load(work, scores + LANES)
    for at in range(scores + BLOCK, scores + tokens * BLOCK, BLOCK):
        a, b = larger(a, load(work, at)), larger(b, load(work, at + LANES))
    a, b = minus(spread(_F(0)), times(a, scale)), minus(spread(_F(0)), times(b, scale))
    left = right = spread(_F(0))
    for at in range(scores, scores + tokens * BLOCK, BLOCK):
        x = _power_of_two(fused(load(work, at), scale, a))
        y = _power_of_two(fused(load(work, at + LANES), scale, b))
        left, right = plus(left, x), plus(right, y)
        _store_row(work, at, x, y)
    one = spread(_F(1))
    return over(one, left), over(one, right)


@_compiled
def _power_of_two(x: Any) -> Any:
    """2^x for x up to 0; below -126 it stays 2^-126.

    The exponential series of the part beyond the nearest whole number, to its seventh power: off by
    5e-9 at most.
    """
    x = larger(spread(_F(-126)), x)
    near = plus(x, spread(_F(NEAREST)))
    part = minus(x, minus(near, spread(_F(NEAREST))))
    p = fused(spread(_SERIES[7]), part, spread(_SERIES[6]))
    p = fused(p, part, spread(_SERIES[5]))
    p = fused(p, part, spread(_SERIES[4]))
    p = fused(p, part, spread(_SERIES[3]))
    p = fused(p, part, spread(_SERIES[2]))
    p = fused(p, part, spread(_SERIES[1]))
    return shifted(fused(p, part, spread(_SERIES[0])), near)
