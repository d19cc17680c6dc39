"""The published copy of a run: final records and compact predictions, nothing else."""

from __future__ import annotations

from bench.store.predictions import to_bytes
from bench.store.records import Store


def copy_final(source: Store, target: Store) -> None:
    """Make `target` hold exactly the final records of `source`.

    Raises:
        StoreError: if a record is damaged or the target cannot be written.
    """
    suite = source.suite()
    chosen = source.final()
    keep = set()
    for record in chosen:
        data = None if record.predictions is None else to_bytes(source.predictions(record))
        target.add(record, data)
        keep.add((record.run_id, record.attempt))
    target.prune(keep)
    target.write_suite(suite)
