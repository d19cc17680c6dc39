"""Batches in their order, made ahead by a thread, and moved on a stream that is a fake here."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from bench.extract.feed import AHEAD, Mover, Work, feed, over_tensors


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("count", [0, 1, AHEAD, 3 * AHEAD + 1])
def test_everything_arrives_in_order(threaded, count):
    assert list(feed(range(count), threaded=threaded)) == list(range(count))


def test_it_is_at_most_so_far_ahead():
    made = []

    def making():
        for number in range(50):
            made.append(number)
            yield number

    for number in feed(making(), threaded=True):
        assert len(made) <= number + 2 + AHEAD


def broken():
    yield 1
    raise ValueError("no such file")


@pytest.mark.parametrize("threaded", [False, True])
def test_an_error_comes_in_its_turn(threaded):
    found = feed(broken(), threaded=threaded)
    assert next(found) == 1
    with pytest.raises(ValueError, match="no such file"):
        next(found)


def test_leaving_early_ends_the_thread():
    found = feed(iter(range(1000)), threaded=True)
    next(found)
    found.close()  # would hang if the thread went on waiting


class FakeCuda:
    """Streams that write down what happens, and in which order."""

    def __init__(self):
        self.log = []
        outer = self

        class Stream:
            def wait_stream(self, _):
                outer.log.append("wait")

        self.Stream = Stream

    def current_stream(self):
        return self.Stream()

    @contextmanager
    def stream(self, _):
        self.log.append("copy")
        yield


class FakeTensor:
    def __init__(self, log):
        self.log = log

    def untyped_storage(self):
        return None

    def to(self, device, *, non_blocking):
        assert non_blocking
        return self

    def record_stream(self, _):
        self.log.append("record")


def test_a_batch_waits_for_its_own_copy_alone(monkeypatch):
    cuda = FakeCuda()
    works = [Work(None, np.arange(2), 0, {"ids": FakeTensor(cuda.log)}) for _ in range(3)]
    monkeypatch.setattr(torch, "cuda", cuda)
    for work, batch in Mover("cuda").moved(works):
        assert batch["ids"] is work.batch["ids"]
        cuda.log.append("use")
    assert cuda.log == 3 * ["copy", "wait", "record", "use"]


def test_a_batch_is_used_before_the_next_is_there(monkeypatch):
    cuda = FakeCuda()
    monkeypatch.setattr(torch, "cuda", cuda)

    def works():
        for _ in range(3):
            cuda.log.append("made")
            yield Work(None, np.arange(2), 0, {"ids": FakeTensor(cuda.log)})

    for _ in Mover("cuda").moved(works()):
        cuda.log.append("use")
    assert cuda.log == 3 * ["made", "copy", "wait", "record", "use"]


def test_tensors_are_found_in_mappings_and_alone():
    batch = {"ids": torch.arange(3), "groups": [(3, 1)]}
    found = over_tensors(batch, lambda tensor: tensor + 1)
    assert found["ids"].tolist() == [1, 2, 3]
    assert found["groups"] == [(3, 1)]
    assert over_tensors(torch.ones(2), lambda tensor: 2 * tensor).tolist() == [2.0, 2.0]
