"""The published copy of a run: final records and compact predictions, nothing else."""

from __future__ import annotations

from bench.store.predictions import to_bytes
from bench.store.records import Store


def copy_final(source: Store, target: Store) -> None:
    """Make `target` hold exactly the final records of `source`; what goes, goes last, so that
    one that is interrupted has lost nothing.

    Raises:
        StoreError: if a record is damaged or the target cannot be written.
    """
    suite = source.suite()
    chosen = source.final()
    found = [
        (record, None if record.predictions is None else to_bytes(source.predictions(record)))
        for record in chosen
    ]  # read whole before anything is written: the target may be the source
    for record, data in found:
        target.put(record, data)
    target.prune({(record.run_id, record.attempt) for record in chosen})
    target.write_suite(suite)
