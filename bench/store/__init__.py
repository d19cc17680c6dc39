"""Records on disk."""

from bench.store.files import replace
from bench.store.leases import Holder, Leases
from bench.store.predictions import Items, items_of, items_of_edits, to_bytes
from bench.store.publish import copy_final
from bench.store.records import Store, uncollected

__all__ = [
    "Holder",
    "Items",
    "Leases",
    "Store",
    "copy_final",
    "items_of",
    "items_of_edits",
    "replace",
    "to_bytes",
    "uncollected",
]
