"""How well features suit labels, without training a head: the log evidence of a linear model."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.anova import Values

_SPAN = 10.0
_GRID = 81
_ROUNDS = 40


def logme(features: ArrayLike, labels: ArrayLike) -> float:
    """Maximum log evidence of features for labels, per item and averaged over the classes seen.

    `features` is `(n, d)`, not centred; `labels` `(n,)` are class ids. For the 0/1 column y of
    each class, the evidence is that of y ~ N(F w, 1 / beta) with w ~ N(0, 1 / alpha), at
    the alpha and beta where it is largest, divided by n (You et al. 2021, LogME,
    arXiv:2102.11005). They find that maximum by fixed-point iteration; here beta is solved
    for in closed form given t = alpha / beta, and log t is searched, so that it is the global
    maximum to about 1e-8 of log t, within 1e-10 to 1e10 times the largest squared singular value.

    Higher is better. Values of different labels, or of different numbers of items, do not compare.

    Raises:
        ValueError: if the shapes do not fit, there is no item, a feature is NaN or Inf, or
            there are fewer than two classes.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if x.ndim != 2 or y.shape != x.shape[:1] or not x.size:
        raise ValueError(f"features (n, d) and labels (n,) are needed: {x.shape} and {y.shape}")
    if not np.isfinite(x).all():
        raise ValueError("features hold NaN or Inf")
    classes, members = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("one class: there is nothing to tell apart")
    longest = max(x.shape)
    columns = (members[:, None] == np.arange(len(classes))).astype(np.float64)
    if x.shape[0] < x.shape[1]:  # few items: the same U and S from (n, n), in a tenth of the time
        x = np.asarray(np.linalg.qr(x.T, mode="r")).T
    vectors, singular, _ = np.linalg.svd(x, full_matrices=False)
    kept = singular > singular[0] * longest * np.finfo(np.float64).eps
    square = np.square(singular[kept])
    inside = np.square(vectors[:, kept].T @ columns)  # (r, k)
    outside = np.maximum(columns.sum(axis=0) - inside.sum(axis=0), 0.0)  # (k,)
    return float(_maximum(square, inside, outside, len(x)).mean() / len(x))


def _maximum(square: Values, inside: Values, outside: Values, n: int) -> Values:
    """The largest evidence of each column `(k,)`: a grid of log t, then golden sections."""
    if not len(square):  # all features are 0: every t is as good
        return _evidence(np.zeros(len(outside)), square, inside, outside, n)
    top = np.log(square[0])
    grid = top + np.log(10.0) * np.linspace(-_SPAN, _SPAN, _GRID)
    at = np.stack([_evidence(np.full(len(outside), t), square, inside, outside, n) for t in grid])
    best = at.argmax(axis=0)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, _GRID - 1)]
    golden = (np.sqrt(5.0) - 1) / 2
    for _ in range(_ROUNDS):
        one, other = high - golden * (high - low), low + golden * (high - low)
        left = _evidence(one, square, inside, outside, n) > _evidence(
            other, square, inside, outside, n
        )
        low, high = np.where(left, low, one), np.where(left, other, high)
    found: Values = np.maximum(
        at.max(axis=0), _evidence((low + high) / 2, square, inside, outside, n)
    )
    return found


def _evidence(log_t: Values, square: Values, inside: Values, outside: Values, n: int) -> Values:
    """Log evidence of each column at t = alpha / beta `(k,)`, with the best beta for it.

    With F = U S V', the residual and penalty together are r(t) = |y outside U|^2 +
    sum (u'y)^2 t / (s^2 + t), beta is n / r(t), and what is left is
    n/2 log(n / (2 pi r)) - n/2 - 1/2 sum log(1 + s^2 / t).
    """
    t = np.exp(log_t)
    rest = outside + (inside * (t / (square[:, None] + t))).sum(axis=0)
    width = np.log1p(square[:, None] / t).sum(axis=0)
    tiny = np.finfo(np.float64).tiny
    found: Values = 0.5 * (n * np.log(n / (2 * np.pi * np.maximum(rest, tiny))) - n - width)
    return found


def agreement(predicted: ArrayLike, actual: ArrayLike) -> float | None:
    """Weighted Kendall tau of a prediction `(b,)` with what came out, from -1 to 1.

    Pairs weigh 1 / rank of one + 1 / rank of the other, so that exchanges among the best cost
    most; the mean over ranking by the one and by the other side, ties broken by the other
    (Vigna 2015, arXiv:1404.3325; `scipy.stats.weightedtau`, which takes half a second to import).
    None for fewer than three, of which an order says nothing, or where either side is constant.
    """
    one, other = (np.asarray(side, dtype=np.float64) for side in (predicted, actual))
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return (_weighted_tau(one, other) + _weighted_tau(other, one)) / 2


def _weighted_tau(one: Values, other: Values) -> float:
    """With the ranks of `one`, the largest first."""
    weight = np.empty(len(one))
    weight[np.lexsort((other, one))[::-1]] = 1 / np.arange(1, len(one) + 1)
    pair = weight[:, None] + weight
    np.fill_diagonal(pair, 0.0)
    x, y = (np.sign(side[:, None] - side) for side in (one, other))
    return float((pair * x * y).sum() / np.sqrt((pair * x**2).sum() * (pair * y**2).sum()))
