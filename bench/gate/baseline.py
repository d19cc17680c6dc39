"""Why a baseline was replaced: a history kept beside its records."""

from __future__ import annotations

import json
from typing import Any

from bench.core.errors import StoreError, UserError
from bench.store import Store, replace

SCHEMA = 1
_FILE = "baseline.json"


def commits_of(store: Store) -> list[str]:
    """The commits of the code that made a folder's records; none where it holds no run."""
    found = {record.provenance.commit for record in store.records()}
    return sorted(commit for commit in found if commit)


def refuse_unexplained(target: Store, reason: str | None) -> None:
    """Refuse to replace a baseline without a word.

    Raises:
        UserError: if the reason is empty, or missing where the folder is a baseline.
        StoreError: if the history is damaged.
    """
    if reason is not None and not reason.strip():
        raise UserError('a baseline is replaced for a reason: --reason "..." must not be empty')
    if reason is None and _history(target):
        raise UserError(
            f"{target.folder} is a baseline ({_FILE}): say why it is replaced, with"
            ' --reason "..." or make baseline REASON="..."'
        )


def note_reason(target: Store, reason: str, before: list[str]) -> None:
    """Add to the history why `target` was replaced; `before` are the commits it had.

    Raises:
        StoreError: if the history is damaged or cannot be written.
    """
    entry = {"reason": reason.strip(), "from": before, "to": commits_of(target)}
    plain = {"schema": SCHEMA, "history": [*_history(target), entry]}
    data = (json.dumps(plain, indent=1) + "\n").encode("utf-8")
    replace(target.folder / _FILE, data)


def _history(target: Store) -> list[dict[str, Any]]:
    path = target.folder / _FILE
    try:
        plain = json.loads(path.read_bytes())
        found: list[dict[str, Any]] = plain["history"]
        newer = plain["schema"] > SCHEMA
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: the history of the baseline is damaged ({error})") from error
    if newer:
        raise StoreError(f"{path}: schema {plain['schema']} is newer than this bench: update bench")
    return found
