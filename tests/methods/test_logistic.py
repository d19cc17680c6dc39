"""The batched solver gives scikit-learn's answers, and says truly how well it solved."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from bench.methods import _logistic_descent, _logistic_search
from bench.methods._logistic import Problem, Solution, solve
from bench.methods._logistic_batch import chunks
from tests.methods.pretend import DEVICE, Pretend

TIGHT = 1e-9
STRENGTHS = (0.01, 0.3, 10.0, 1000.0)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """scikit-learn's small fits are several times slower with two threads than with one."""
    with threadpool_limits(1):
        yield


def made(seed: int, n: int, dims: int, classes: int, strength: float = 1.0) -> Problem:
    """Random features, not centred and of unequal scale, with every class among the targets."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, dims)) * rng.uniform(0.2, 2.0, dims) + rng.normal(size=dims)
    targets = rng.permutation(np.arange(n) % classes)
    return Problem(features, targets, strength)


def reference(problem: Problem) -> LogisticRegression:
    model = LogisticRegression(C=problem.strength, tol=1e-9, max_iter=20_000)
    return model.fit(problem.features.astype(np.float64), problem.targets)


def gradient_norm(problem: Problem, solution: Solution) -> float:
    """By the formula, in numpy: of the mean loss, largest entry, one vector for two classes."""
    features = problem.features.astype(np.float64)
    logits = features @ solution.weights.T + solution.intercepts
    if logits.shape[1] == 1:
        residual = 1 / (1 + np.exp(-logits)) - problem.targets[:, None]
    else:
        logits -= logits.max(1, keepdims=True)
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        residual = chances - np.eye(logits.shape[1])[problem.targets]
    weights = residual.T @ features + solution.weights / problem.strength
    return float(max(np.abs(weights).max(), np.abs(residual.sum(0)).max()) / len(features))


def assert_same(solution: Solution, model: LogisticRegression, atol: float = 1e-4) -> None:
    size = max(1.0, float(np.abs(model.coef_).max()))
    np.testing.assert_allclose(solution.weights, model.coef_, rtol=0, atol=atol * size)
    np.testing.assert_allclose(solution.intercepts, model.intercept_, rtol=0, atol=atol * size)


@settings(max_examples=25)
@given(
    st.integers(0, 10_000),
    st.integers(2, 6),
    st.integers(1, 30),
    st.integers(0, 30),
    st.sampled_from([0.01, 1.0, 30.0]),
)
def test_the_answer_is_scikit_learns(seed, classes, dims, more, strength):
    problem = made(seed, classes + more, dims, classes, strength)
    (solution,) = solve([problem], tolerance=TIGHT)
    model = reference(problem)
    assert solution.converged
    assert solution.gradient_norm <= TIGHT
    assert_same(solution, model)
    np.testing.assert_allclose(
        solution.probabilities(problem.features),
        model.predict_proba(problem.features),
        rtol=0,
        atol=1e-5,
    )


def test_columns_of_unlike_scales_do_not_hide_that_the_goal_is_reached(monkeypatch):
    """146 steps where it were 251: the two norms do not shrink alike there."""
    base = made(4, 100, 10, 2)
    scales = 10.0 ** np.random.default_rng(4).uniform(-2, 2, 10)
    problem = Problem(base.features * scales, base.targets, 1.0)
    (found,) = solve([problem], max_iter=5000)
    monkeypatch.setattr(_logistic_descent, "LOOK", 10**9)
    (late,) = solve([problem], max_iter=5000)
    assert found.converged
    assert found.iterations < late.iterations


@pytest.mark.parametrize("classes", [2, 5])
def test_a_path_over_shared_features(classes):
    base = made(1, 60, 12, classes)
    path = [Problem(base.features, base.targets, c) for c in reversed(STRENGTHS)]
    for problem, solution in zip(path, solve(path, tolerance=TIGHT), strict=True):
        assert_same(solution, reference(problem))


@pytest.mark.parametrize("apart", [False, True])
def test_strengths_side_by_side_have_the_same_answers(apart):
    problems = mixed()
    found = solve(problems, tolerance=TIGHT, apart=apart)
    for problem, solution in zip(problems, found, strict=True):
        assert solution.converged
        assert_same(solution, reference(problem))


def test_side_by_side_each_strength_is_a_path_and_all_share_a_chunk():
    base = made(1, 60, 12, 3)
    path = [Problem(base.features, base.targets, c) for c in STRENGTHS]
    (one,) = chunks(path, 10**9, apart=False)
    (other,) = chunks(path, 10**9, apart=True)
    assert [len(numbers) for numbers in one[0].paths.values()] == [len(STRENGTHS)]
    assert [len(numbers) for numbers in other[0].paths.values()] == [1] * len(STRENGTHS)


def test_several_targets_over_shared_features():
    base = made(2, 60, 12, 4)
    other = np.roll(base.targets, 7)
    problems = [Problem(base.features, t, c) for t in (base.targets, other) for c in STRENGTHS]
    for problem, solution in zip(problems, solve(problems, tolerance=TIGHT), strict=True):
        assert_same(solution, reference(problem))


def mixed() -> list[Problem]:
    """Unequal n, k and d, wide and tall, paths of unequal length, more than 32 classes."""
    shapes = [(20, 5, 3), (23, 5, 3), (24, 5, 3), (40, 5, 2), (12, 40, 3), (14, 40, 3), (80, 6, 40)]
    bases = [made(i, *shape) for i, shape in enumerate(shapes)]
    return [
        Problem(base.features, base.targets, strength)
        for i, base in enumerate(bases)
        for strength in STRENGTHS[: 1 + i % 4]
    ]


def test_problems_of_unequal_shape_and_any_order():
    problems = mixed()
    solutions = solve(problems, tolerance=TIGHT)
    order = np.random.default_rng(0).permutation(len(problems))
    for number, again in zip(
        order, solve([problems[i] for i in order], tolerance=TIGHT), strict=True
    ):
        solution = solutions[number]
        assert_same(solution, reference(problems[number]))
        size = max(1.0, np.abs(solution.weights).max())
        np.testing.assert_allclose(again.weights, solution.weights, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-6, 1e-9])
def test_the_norm_is_the_true_one(tolerance):
    problems = mixed()
    single = [Problem(p.features.astype(np.float32), p.targets, p.strength) for p in problems]
    for given_ in (problems, single):
        for problem, solution in zip(given_, solve(given_, tolerance=tolerance), strict=True):
            true = gradient_norm(problem, solution)
            assert solution.gradient_norm == pytest.approx(true, rel=1e-6, abs=0.03 * tolerance)
            assert solution.converged
            assert true <= tolerance


def test_reaching_the_limit_is_told():
    problem = made(0, 60, 12, 4, 1000.0)
    far, near = solve([problem], max_iter=3)[0], solve([problem], max_iter=1000)[0]
    assert (far.converged, far.iterations) == (False, 3)
    assert far.gradient_norm == pytest.approx(gradient_norm(problem, far), rel=1e-2)
    assert far.gradient_norm > 1e-4 >= near.gradient_norm
    none = solve([problem], max_iter=0)[0]
    assert not none.converged
    assert not none.weights.any()
    assert none.gradient_norm == pytest.approx(gradient_norm(problem, none), rel=1e-2)


def test_one_problem_does_not_take_anothers_steps():
    hard, easy = made(0, 60, 12, 4, 1e4), made(1, 60, 12, 4, 0.01)
    together = solve([hard, easy], tolerance=1e-7)
    assert together[1].iterations == solve([easy], tolerance=1e-7)[0].iterations
    assert together[0].iterations > together[1].iterations


@pytest.mark.parametrize("tolerance", [1e-4, 1e-9])
@pytest.mark.parametrize("classes", [2, 3])
def test_separable_classes_and_hardly_a_penalty(classes, tolerance):
    rng = np.random.default_rng(0)
    targets = np.arange(30) % classes
    features = rng.normal(size=(30, 4)) + 20.0 * np.eye(4)[targets]
    problem = Problem(features, targets, 1e6)
    (solution,) = solve([problem], tolerance=tolerance)
    assert np.isfinite(solution.weights).all()
    assert solution.converged == (solution.gradient_norm <= tolerance)
    assert solution.gradient_norm == pytest.approx(gradient_norm(problem, solution), rel=0.1)
    assert (solution.probabilities(features).argmax(1) == targets).all()


def test_one_item_a_class_and_features_that_say_nothing():
    single = Problem(np.random.default_rng(0).normal(size=(7, 50)), np.arange(7), 1.0)
    (solution,) = solve([single], tolerance=TIGHT)
    assert_same(solution, reference(single))
    targets = np.array([0, 1, 1, 2, 2, 2])
    (blank,) = solve([Problem(np.ones((6, 3)), targets, 10.0)], tolerance=TIGHT)
    expected = np.tile(np.array([1, 2, 3]) / 6, (6, 1))
    np.testing.assert_allclose(blank.probabilities(np.ones((6, 3))), expected, atol=1e-7)


def test_large_features_are_no_trouble():
    problem = made(3, 50, 8, 3)
    large = Problem(problem.features * 255, problem.targets, 10.0)
    (solution,) = solve([large], tolerance=1e-6)
    assert solution.converged
    assert solution.gradient_norm == pytest.approx(gradient_norm(large, solution), rel=0.05)


def test_twice_is_the_same():
    first, second = (solve(mixed(), tolerance=1e-6) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)


def test_two_threads_say_what_one_says():
    """Draws of unequal numbers of rows are shared out between threads, and none is told apart."""
    problems = [made(seed, 40 + seed, 12, 4, c) for seed in range(5) for c in STRENGTHS]
    before = torch.get_num_threads()
    told = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            told.append(solve(problems, tolerance=TIGHT))
        finally:
            torch.set_num_threads(before)
    for one, other in zip(*told, strict=True):
        size = max(1.0, np.abs(one.weights).max())
        np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize(
    ("features", "targets", "strength", "word"),
    [
        (np.ones((3, 2)), [0, 1], 1.0, "go together"),
        (np.ones((3, 2)), [0, 2, 2], 1.0, "every class"),
        (np.ones((3, 2)), [0, 0, 0], 1.0, "two classes"),
        (np.ones((3, 2)), [0, -1, 1], 1.0, r"0\.\.k-1"),
        (np.ones((0, 2)), [], 1.0, r"0\.\.k-1"),
        (np.ones((3, 2)), [0, 1, 1], 0.0, "positive"),
        (np.ones((3, 2)), [0, 1, 1], np.inf, "positive"),
        (np.full((3, 2), np.nan), [0, 1, 1], 1.0, "finite"),
    ],
)
def test_a_problem_without_solution_is_named(features, targets, strength, word):
    good = made(0, 10, 2, 2)
    bad = Problem(features, np.array(targets, dtype=np.int64), strength)
    with pytest.raises(ValueError, match=f"problem 1: .*{word}"):
        solve([good, bad])


def test_features_that_float32_cannot_hold_are_refused():
    huge = Problem(np.array([[1e200], [0.0], [1.0]]), np.array([0, 1, 1]), 1.0)
    with pytest.raises(ValueError, match="too large for float32"):
        solve([huge])


def test_a_search_that_fails_ends(monkeypatch):
    monkeypatch.setattr(_logistic_search, "CURVATURE", -1.0)  # no length is ever good
    (solution,) = solve([made(0, 30, 5, 3)])
    assert not solution.converged
    assert not solution.weights.any()


def test_nothing_asked_and_no_framework_loaded():
    assert solve([]) == []
    code = "import sys, bench.methods._logistic; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.gpu
def test_on_a_gpu():
    problems = mixed()
    for problem, solution in zip(
        problems, solve(problems, tolerance=TIGHT, device="cuda"), strict=True
    ):
        assert solution.gradient_norm == pytest.approx(gradient_norm(problem, solution), rel=0.05)
        assert_same(solution, reference(problem))


def draws(classes: int = 20, strengths: tuple[float, ...] = (1.0,)) -> list[Problem]:
    """Draws of one task, all strengths over each."""
    data = [made(seed, 8 * classes, 48, classes) for seed in range(4)]
    return [Problem(d.features, d.targets, strength) for d in data for strength in strengths]


@pytest.mark.parametrize(
    "problems",
    [
        draws(),
        draws(strengths=STRENGTHS),
        [made(seed, 40 + seed, 12, 3, 10.0) for seed in range(4)],  # unlike numbers of rows
        [made(seed, 20, 60, 2) for seed in range(2)],  # more features than items, two classes
    ],
    ids=["draws", "paths", "ragged", "reduced"],
)
@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_a_device_of_its_own_gets_the_same_answers(problems, tolerance):
    wanted = solve(problems, tolerance=tolerance, apart=True)
    with Pretend():
        found = solve(problems, tolerance=tolerance, device=DEVICE)
    for one, other in zip(found, wanted, strict=True):
        assert one.iterations == other.iterations
        np.testing.assert_array_equal(one.weights, other.weights)


def test_such_a_device_refuses_what_a_card_refuses():
    with Pretend() as card:
        far = torch.ones(3).to(DEVICE)
        with pytest.raises(AssertionError, match="tensors of the host"):
            far + torch.ones(3)
        assert (far + far).cpu().tolist() == [2.0, 2.0, 2.0]
    assert (card.kernels["add"], card.waits["_to_copy"]) == (1, 1)


def test_a_device_of_its_own_gets_the_same_where_line_searches_fail(monkeypatch):
    monkeypatch.setattr(_logistic_search, "CURVATURE", -1.0)
    wanted = solve(draws(), max_iter=5)
    with Pretend():
        found = solve(draws(), max_iter=5, device=DEVICE)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)


def test_a_step_starts_few_kernels_and_waits_twice():
    """A card is idle most of a step: it was 120 and 8 while it had the small sums, too."""
    with Pretend() as short:
        solve(draws(), tolerance=TIGHT, max_iter=3, device=DEVICE)
    with Pretend() as long:
        solve(draws(), tolerance=TIGHT, max_iter=13, device=DEVICE)
    kernels = sum(long.kernels.values()) - sum(short.kernels.values())
    waits = sum(long.waits.values()) - sum(short.waits.values())
    assert 0 < kernels <= 10 * 30
    assert 0 < waits <= 10 * 2 + 1  # the true norm is looked at once in ten steps
