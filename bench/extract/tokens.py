"""Token ids on disk, by the tokenizer and by the content of each text.

    <folder>/<tokenizer digest>/<sha256>.npy           ids, flat, int32: memory-mapped
    <folder>/<tokenizer digest>/<sha256>.safetensors   digests, offsets, truncation

Both are named by the digest of their bytes together; a damaged pair is dropped, and made
again.  Backbones that share a tokenizer and a longest length share them.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from bench.core.backbone import Backbone, Tokens
from bench.core.identity import item_digest
from bench.core.task import Input
from bench.extract import shards

log = logging.getLogger(__name__)

_TENSORS = frozenset({"digests", "offsets", "truncated"})


class TokenCache:
    """The token ids of any number of tokenizers under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, _OfTokenizer] = {}

    def prepare(self, backbone: Backbone, inputs: Sequence[Input]) -> Tokens:
        """As `backbone.prepare`; what is not there yet is tokenised once, and kept."""
        key = backbone.tokenizer
        known = self._known.setdefault(key, _OfTokenizer(self._folder / key))
        digests = [item_digest(item) for item in inputs]
        if missing := known.missing(digests):
            made = backbone.prepare([inputs[i] for i in missing])
            known.add([digests[i] for i in missing], cast("Tokens", made))
        return known.take(digests)


class _OfTokenizer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: dict[bytes, tuple[int, int]] = {}  # shard and row
        self._shards: list[Tokens] = []
        self._seen: set[str] = set()

    def missing(self, digests: Sequence[bytes]) -> list[int]:
        """Positions of the first of each text that is not there."""
        self._read()
        first: dict[bytes, int] = {}
        for position, name in enumerate(digests):
            if name not in self._rows:
                first.setdefault(name, position)
        return list(first.values())

    def take(self, digests: Sequence[bytes]) -> Tokens:
        places = [self._rows[name] for name in digests]
        if not places:
            return Tokens(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.bool_))
        shard, row = np.array(places, dtype=np.int64).T
        lengths, truncated = np.zeros(len(places), np.int64), np.zeros(len(places), np.bool_)
        for number in np.unique(shard):
            of, here = self._shards[number], shard == number
            lengths[here], truncated[here] = of.lengths[row[here]], of.truncated[row[here]]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        ids = np.empty(int(offsets[-1]), dtype=np.int32)
        for number in np.unique(shard):
            of, here = self._shards[number], np.flatnonzero(shard == number)
            ids[_spans(offsets[here], lengths[here])] = of.ids[
                _spans(of.offsets[row[here]], lengths[here])
            ]
        return Tokens(ids, offsets, truncated)

    def add(self, digests: Sequence[bytes], made: Tokens) -> None:
        names = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)
        facts: dict[str, NDArray[Any]] = {
            "digests": names,
            "offsets": made.offsets,
            "truncated": made.truncated,
        }
        index, buffer = bytes(save(facts)), io.BytesIO()
        np.save(buffer, made.ids, allow_pickle=False)
        name = _name(index, buffer.getvalue())
        shards.write(self._folder, f"{name}.npy", buffer.getvalue())
        shards.write(self._folder, f"{name}.safetensors", index)  # last: with it, both are there
        self._keep(name, names, made)

    def _read(self) -> None:
        """Take in what has appeared since."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.safetensors")):
            if path.stem in self._seen:
                continue
            ids = path.with_suffix(".npy")
            try:
                index = path.read_bytes()
                whole = _name(index, ids.read_bytes()) == path.stem
            except FileNotFoundError:  # half of it, or another worker has found it damaged
                index, whole = b"", False
            facts = shards.tensors(index, _TENSORS) if whole else None
            flat = _mapped(ids) if facts else None
            if facts is None or flat is None:
                log.warning("damaged token ids are dropped and made again: %s", path.stem[:16])
                path.unlink(missing_ok=True)
                ids.unlink(missing_ok=True)
                continue
            tokens = Tokens(flat, facts["offsets"], facts["truncated"])
            self._keep(path.stem, facts["digests"], tokens)

    def _keep(self, name: str, digests: NDArray[np.uint8], tokens: Tokens) -> None:
        self._seen.add(name)
        for row, digest in enumerate(digests):
            self._rows.setdefault(digest.tobytes(), (len(self._shards), row))
        self._shards.append(tokens)


def _mapped(path: Path) -> NDArray[np.int32] | None:
    """The ids of a file, mapped, or None where it holds something else."""
    try:
        flat: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return None
    return flat if flat.dtype == np.int32 and flat.ndim == 1 else None


def _name(index: bytes, ids: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(index).digest() + ids).hexdigest()


def _spans(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of spans, one after another."""
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
