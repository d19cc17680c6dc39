"""The probe's solvers agree, and small fits leave the thread pools as they found them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_info

from bench.core.method import Job
from bench.core.task import Split
from bench.methods._threads import LARGE_PRODUCT, few_threads
from bench.methods.probe import SPEC, Probe


class Pixels:
    """A context whose features are the inputs themselves."""

    classes, seed, device = 10, 0, "cpu"

    def features(self, inputs):
        return np.stack(inputs)


@pytest.fixture(scope="module")
def digits() -> tuple[Split, Split]:
    images, targets = load_digits(return_X_y=True)
    split = Split(list(images.astype(np.float32) / 16), targets.astype(np.int64))
    return split.take(np.arange(200)), split.take(np.arange(200, 1797))


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("scaling", ["none", "rms", "standard"])
def test_the_solvers_agree(digits, classes, scaling):
    train, test = (split.take(np.flatnonzero(split.targets < classes)) for split in digits)
    one = {**SPEC.defaults, "C": 1.0, "scaling": scaling, "tolerance": 1e-6}
    many = {**one, "solver": "batched"}
    expected, found = (
        fitted.predict(test.inputs)
        for fitted in Probe().fit_many([Job(one, train), Job(many, train)], Pixels())
    )
    assert (found.classes == expected.classes).mean() >= 0.999
    # scikit-learn stays in the precision of the features, float32, and ends up to 0.003 off
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=5e-3)


@pytest.mark.parametrize("solver", ["sklearn", "batched"])
def test_limits_are_each_jobs_own(digits, solver):
    train, test = digits
    base = {**SPEC.defaults, "C": 1000.0, "solver": solver}
    short, loose, tight = (
        fitted.predict(test.inputs).probabilities
        for fitted in Probe().fit_many(
            [
                Job({**base, "max_iter": 2}, train),
                Job({**base, "tolerance": 1e-2}, train),
                Job({**base, "tolerance": 1e-6}, train),
            ],
            Pixels(),
        )
    )
    far, near = (np.abs(part - tight).mean() for part in (short, loose))
    assert far > near > 0


def threads() -> dict[str, int]:
    pools = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    return {**pools, "torch": torch.get_num_threads()}


def test_small_work_has_one_thread_and_large_work_what_there_is():
    before = threads()
    with few_threads(LARGE_PRODUCT):
        assert threads() == before
    with few_threads(LARGE_PRODUCT - 1):
        assert set(threads().values()) == {1}
    assert threads() == before
