"""Peaks of both devices; torch.cuda is a fake."""

from __future__ import annotations

from bench.measure import Peak, bytes_peak, peak, reset_peak


class FakeCuda:
    """An allocator that keeps what was freed, as torch's does."""

    def __init__(self):
        self.calls = []
        self.now, self.cached = 0, 0
        self.most, self.most_reserved = 0, 0

    def use(self, size):
        """Allocate and free."""
        self.cached = max(self.cached, self.now + size)
        self.most = max(self.most, self.now + size)
        self.most_reserved = max(self.most_reserved, self.cached)

    def init(self):
        self.calls.append("init")

    def synchronize(self, device):
        self.calls.append(f"synchronize {device}")

    def empty_cache(self):
        self.cached = self.now

    def reset_peak_memory_stats(self, device):
        assert self.calls[0] == "init"
        self.most, self.most_reserved = self.now, self.cached

    def max_memory_allocated(self, device):
        return self.most

    def max_memory_reserved(self, device):
        return self.most_reserved


def test_the_peaks_of_a_case_are_its_own():
    cuda = FakeCuda()
    cuda.use(1000)
    cuda.now = 10  # the model stays
    reset_peak("cuda", cuda)
    cuda.use(300)
    found = peak("cuda", cuda)
    assert (found.bytes_allocated, found.bytes_reserved) == (310, 310)
    assert found.bytes_resident == bytes_peak()
    assert "synchronize cuda" in cuda.calls


def test_a_cpu_has_a_resident_set_alone():
    reset_peak()
    before = peak()
    assert (before.bytes_allocated, before.bytes_reserved) == (None, None)
    assert before.bytes_resident > 1e7  # that it follows what is used: test_measure.py


def test_where_the_system_does_not_tell_it_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr("bench.measure.memory._STATUS", tmp_path / "none")
    monkeypatch.setattr("bench.measure.memory._CLEAR", tmp_path / "none" / "none")
    reset_peak()
    assert peak() == Peak(bytes_resident=None)
