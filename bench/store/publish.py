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
    found = [
        (record, None if record.predictions is None else to_bytes(source.predictions(record)))
        for record in chosen
    ]  # read whole before anything is removed: the target may be the source
    target.prune(set())
    for record, data in found:
        target.add(record, data)
    target.write_suite(suite)
