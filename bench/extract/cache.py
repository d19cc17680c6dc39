"""Features on disk, by what decides them and by the content of each item.

    <folder>/<key>/<sha256 of the file>.safetensors

A shard holds the features of some items with their 16-byte digests and what each
cost; it is named by its own digest, so a damaged one is recognised, dropped and
computed again.  Shards are only ever added, so two builders do no harm.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from bench.core.errors import NotApplicableError
from bench.extract import shards
from bench.extract.run import Extracted

log = logging.getLogger(__name__)

EXTRACTION_VERSION = 6
"""Part of every key; raised when extraction computes something else (2: untrained twins are
seeded by the content of their assets; 3: BERT-like encoders packed and fused, which changes last
digits; 4: attention and norms in compiled loops, which in bfloat16 round at other places;
5: GELU, too, on processors with AVX2 alone; 6: residuals inside products on CUDA; the patches of
vision models by their number, and CLIP's last norm; the last part of a voice, and no silence
behind a clip that its model would hear)."""

_TENSORS = frozenset({"digests", "features", "facts"})


@dataclass(slots=True)
class Block:
    """Features of one width: pieces that are joined when they are asked for."""

    features: list[NDArray[np.float32]] = field(default_factory=list)
    facts: list[NDArray[np.float64]] = field(default_factory=list)  # seconds, units, truncated
    size: int = 0

    def add(self, features: NDArray[np.float32], facts: NDArray[np.float64]) -> None:
        self.features.append(features)
        self.facts.append(facts)
        self.size += len(features)

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        if len(self.features) > 1:
            self.features = [np.concatenate(self.features)]
            self.facts = [np.concatenate(self.facts)]
        return self.features[0][rows], self.facts[0][rows]


class FeatureCache:
    """The features of one backbone under one setting; `key` is the digest of both.

    A backbone without a width of its own (columns, raw pixels) gives features of several, of the
    rows of one table and of another.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key
        self._places: dict[bytes, tuple[int, int]] = {}  # width, row
        self._blocks: dict[int, Block] = {}
        self._seen: set[str] = set()

    def missing(self, digests: list[bytes]) -> list[int]:
        """Positions of the first occurrence of each item that is not there yet."""
        self._read()
        first: dict[bytes, int] = {}
        for position, name in enumerate(digests):
            if name not in self._places:
                first.setdefault(name, position)
        return list(first.values())

    def take(self, digests: list[bytes]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Features `(n, width)` and facts `(n, 3)` (seconds, units, truncated) of known items.

        Raises:
            KeyError: if an item is not there.
            NotApplicableError: if the items have features of several widths.
        """
        places = [self._places[name] for name in digests]
        widths = sorted({width for width, _ in places})
        if len(widths) > 1:
            raise NotApplicableError(f"the inputs have features of unlike widths: {widths}")
        rows = np.array([row for _, row in places], dtype=np.int64)
        if not self._blocks:
            return np.zeros((0, 0), dtype=np.float32), np.zeros((0, 3))
        return self._blocks[widths[0] if widths else min(self._blocks)].take(rows)

    def add(self, digests: list[bytes], extracted: Extracted) -> None:
        """Keep what was extracted for `digests` `(n)`; its seconds are shared out by length."""
        lengths = extracted.lengths.astype(np.float64)
        seconds = extracted.seconds * lengths / max(lengths.sum(), 1.0)
        facts = np.stack([seconds, lengths, extracted.truncated.astype(np.float64)], axis=1)
        names = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)
        features = np.ascontiguousarray(extracted.features)  # as `save` takes all to be
        data = bytes(save({"digests": names, "features": features, "facts": facts}))
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
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # another worker has found it damaged
                continue
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
        width = features.shape[1]
        block = self._blocks.setdefault(width, Block())
        for row, name in enumerate(names):
            self._places.setdefault(name, (width, block.size + row))
        block.add(features, facts)
