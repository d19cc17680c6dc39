"""Features on disk, by what decides them and by the content of each item.

    <folder>/<key>/<sha256 of the file>.safetensors

A shard holds the features of some items with their 16-byte digests and what each
cost; it is named by its own digest, so a damaged one is recognised, dropped and
computed again.  Shards are only ever added, so two builders do no harm.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from bench.extract import shards
from bench.extract.run import Extracted

log = logging.getLogger(__name__)

EXTRACTION_VERSION = 3
"""Part of every key; raised when extraction computes something else (2: untrained twins are
seeded by the content of their assets; 3: BERT-like encoders packed and fused, which changes last
digits)."""

_TENSORS = frozenset({"digests", "features", "facts"})


class FeatureCache:
    """The features of one backbone under one setting; `key` is the digest of both."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key
        self._rows: dict[bytes, int] = {}
        self._features: list[NDArray[np.float32]] = []
        self._facts: list[NDArray[np.float64]] = []  # seconds, units, truncated
        self._seen: set[str] = set()
        self._flat: tuple[NDArray[np.float32], NDArray[np.float64]] | None = None

    def missing(self, digests: list[bytes]) -> list[int]:
        """Positions of the first occurrence of each item that is not there yet."""
        self._read()
        first: dict[bytes, int] = {}
        for position, name in enumerate(digests):
            if name not in self._rows:
                first.setdefault(name, position)
        return list(first.values())

    def take(self, digests: list[bytes]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Features `(n, width)` and facts `(n, 3)` (seconds, units, truncated) of known items.

        Raises:
            KeyError: if an item is not there.
        """
        if self._flat is None:
            self._flat = np.concatenate(self._features), np.concatenate(self._facts)
            self._features, self._facts = [self._flat[0]], [self._flat[1]]
        rows = np.array([self._rows[name] for name in digests], dtype=np.int64)
        return self._flat[0][rows], self._flat[1][rows]

    def add(self, digests: list[bytes], extracted: Extracted) -> None:
        """Keep what was extracted for `digests` `(n)`; its seconds are shared out by length."""
        lengths = extracted.lengths.astype(np.float64)
        seconds = extracted.seconds * lengths / max(lengths.sum(), 1.0)
        facts = np.stack([seconds, lengths, extracted.truncated.astype(np.float64)], axis=1)
        names = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)
        data = bytes(save({"digests": names, "features": extracted.features, "facts": facts}))
        name = f"{hashlib.sha256(data).hexdigest()}.safetensors"
        shards.write(self.folder, name, data)
        self._seen.add(name)
        self._keep(digests, extracted.features, facts)

    def _read(self) -> None:
        """Take in shards that have appeared since."""
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name in self._seen:
                continue
            self._seen.add(path.name)
            data = path.read_bytes()
            whole = f"{hashlib.sha256(data).hexdigest()}.safetensors" == path.name
            shard = shards.tensors(data, _TENSORS) if whole else None
            if shard is None:
                log.warning("damaged features are dropped and computed again: %s", path.name[:16])
                path.unlink(missing_ok=True)
                continue
            names = [row.tobytes() for row in shard["digests"]]
            self._keep(names, shard["features"], shard["facts"])

    def _keep(
        self, names: list[bytes], features: NDArray[np.float32], facts: NDArray[np.float64]
    ) -> None:
        base = sum(len(block) for block in self._features)
        for row, name in enumerate(names):
            self._rows.setdefault(name, base + row)
        self._features.append(features)
        self._facts.append(facts)
        self._flat = None
