"""Learning from reward: how near it comes to labels, and that it has no others."""

from __future__ import annotations

import numpy as np
import pytest

from bench.core.method import Needs
from bench.core.task import Modality
from bench.methods import registry
from bench.methods.reinforce import SPEC, Bandit, Reinforce, improve


@pytest.fixture(scope="module")
def digits(kit):
    task = kit.plan.tasks["digits"].load()
    return task.train.take(np.arange(600)), task.test


def learned(kit, train, feedbacks, seed=0, **more):
    context = kit.context(Modality.IMAGE, Needs.FEATURES, seed=seed)
    parameters = {**SPEC.defaults, "feedbacks": feedbacks, **more}
    return Reinforce().fit(parameters, train, None, context)


def accuracy(fitted, test):
    return (fitted.predict(test.inputs).classes == test.targets).mean()


def test_with_many_feedbacks_it_comes_near_the_probe(kit, digits):
    train, test = digits
    probe = registry()["probe"]
    context = kit.context(Modality.IMAGE, Needs.FEATURES)
    full = accuracy(probe.fit(probe.spec.defaults, train, None, context), test)
    assert accuracy(learned(kit, train, 20_000), test) > full - 0.04


def test_more_feedbacks_are_better(kit, digits):
    train, test = digits
    means = [
        np.mean([accuracy(learned(kit, train, count, seed), test) for seed in range(3)])
        for count in (100, 1000, 8000)
    ]
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.3


def test_narrow_features_are_learned_at_the_same_rate(kit):
    """32 features of a text, 784 pixels: one default."""
    train, test, _ = kit.splits[Modality.TEXT]
    context = kit.context(Modality.TEXT, Needs.FEATURES)
    fitted = Reinforce().fit(SPEC.defaults, train, None, context)
    assert fitted.facts()["mean_reward"] > 0.4  # a quarter by chance
    assert accuracy(fitted, test) > 0.35


class Answers:
    """A bandit that has nothing but its answers, and counts them."""

    def __init__(self, targets):
        self._bandit = Bandit(targets)
        self.asked, self.rewards = [], []

    def reward(self, items, actions):
        found = self._bandit.reward(items, actions)
        self.asked.append(np.asarray(items))
        self.rewards.append(found)
        return found


def test_it_learns_from_answers_alone_and_from_as_many_as_it_says(kit):
    train = kit.splits[Modality.IMAGE][0]
    context = kit.context(Modality.IMAGE, Needs.FEATURES)
    features = context.features(train.inputs) / 28
    bandit = Answers(train.targets)
    _, mean = improve({**SPEC.defaults, "feedbacks": 500}, features, bandit, 10, context)
    asked = np.concatenate(bandit.asked)
    assert len(asked) == 500
    assert np.array_equal(np.sort(asked[:200]), np.arange(200))  # all once before any twice
    assert mean == pytest.approx(np.concatenate(bandit.rewards).mean())


def test_a_wrong_choice_is_told_no_more_than_that():
    bandit = Bandit(np.array([2, 0, 1]))
    found = bandit.reward(np.array([0, 1, 2]), np.array([2, 1, 1]))
    assert found.tolist() == [1.0, 0.0, 1.0]
    assert found.dtype == np.float32


def test_without_reward_nothing_is_learned(kit):
    """Answers that are all the same say nothing: what moves the policy is the difference."""
    train = kit.splits[Modality.IMAGE][0]
    context = kit.context(Modality.IMAGE, Needs.FEATURES)

    class Silent(Answers):
        def reward(self, items, actions):
            return np.zeros(len(items), dtype=np.float32)

    features = context.features(train.inputs) / 28
    policy, mean = improve(
        {**SPEC.defaults, "feedbacks": 500}, features, Silent(train.targets), 10, context
    )
    assert mean == 0.0
    assert float(policy.weight.detach().abs().max()) < 1e-3
