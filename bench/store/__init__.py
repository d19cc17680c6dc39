"""Records on disk."""

from bench.store.predictions import Items, items_of, to_bytes
from bench.store.records import Store, replace

__all__ = ["Items", "Store", "items_of", "replace", "to_bytes"]
