"""Where every number comes from: records by their place, and what they ran on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from bench.core.record import Provenance, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One commit, machine and set of packages, and how many records are of it."""

    facts: Mapping[str, str]
    packages: Mapping[str, str]
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Records as plain data; `place` says where each run id stands among them."""

    records: Sequence[Mapping[str, Any]]
    settings: Sequence[Setting]
    place: Mapping[str, int]

    def places(self, run_ids: Iterable[str]) -> list[int]:
        """Where these stand."""
        return [self.place[run] for run in run_ids if run in self.place]


def origins(records: Sequence[Record]) -> Origins:
    """Of all final records, in their order; settings in the order of their first record."""
    keys = [_key(record.provenance) for record in records]
    counts = Counter(keys)
    number = {key: place for place, key in enumerate(counts)}
    first = dict(zip(reversed(keys), reversed(records), strict=True))
    return Origins(
        records=[_plain(record, number[key]) for record, key in zip(records, keys, strict=True)],
        settings=[
            Setting(
                facts=_facts(first[key].provenance),
                packages=first[key].provenance.packages,
                records=count,
            )
            for key, count in counts.items()
        ],
        place={record.run_id: place for place, record in enumerate(records)},
    )


_SAME = tuple(each.name for each in fields(Provenance) if each.name not in {"date", "packages"})


def _key(found: Provenance) -> tuple[Any, ...]:
    """All but the date."""
    return (*(getattr(found, name) for name in _SAME), tuple(sorted(found.packages.items())))


def _facts(found: Provenance) -> dict[str, str]:
    changed = {None: "", False: ", clean", True: ", with changes that are in no commit"}
    return {
        "commit": f"{found.commit or 'not known'}{changed[found.dirty]}",
        "device": f"{found.device_name} ({found.device})",
        "precision": found.precision,
        "deterministic": "yes" if found.deterministic else "no",
        "processor": f"{found.cpu}, {found.threads} threads",
        "driver": found.driver or "none",
        "system": found.system,
        "Python": found.python,
    }


def _plain(record: Record, setting: int) -> dict[str, Any]:
    """What the page needs of a record; its file is `records/<run>.<attempt>.json`."""
    found: dict[str, Any] = {
        "run": record.run_id,
        "attempt": record.attempt,
        "of": [record.task, record.backbone, record.method, record.control or ""],
        "draw": record.draw,
        "seed": record.seed,
        "date": record.provenance.date,
        "setting": setting,
        "metrics": record.metrics,
        "seconds": record.seconds_charged,
        "parameters": record.parameters,
    }
    if record.predictions is not None:
        found["predictions"] = record.predictions
    if (failure := record.failure) is not None:
        found["failure"] = asdict(failure)
    return found
