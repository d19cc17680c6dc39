"""What a cell is: one point of a suite's grid, complete in itself, with a content-derived id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.core.identity import PROTOCOL_VERSION, digest
from bench.core.suite import BackboneEntry, Budget, Control, MethodEntry, Precision, TaskEntry
from bench.core.task import Modality

REPEATS = frozenset({"draw", "seed"})
"""Parts of the identity that repeats of one configuration differ in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run to do.

    `fingerprint` is the digest of the task's data and version, `backbone_identity` what
    decides the features, `method_version` the meaning of the method's name.
    `folder` is where `file:` URIs start, and `pins` the digests the lock file holds for
    unpinned URIs: both are needed to run, neither is part of the identity.
    """

    suite: str
    task: TaskEntry
    modality: Modality
    backbone: BackboneEntry | None
    method: MethodEntry
    draw: int
    seed: int
    budget: Budget
    precision: Precision
    control: Control | None
    fingerprint: str
    backbone_identity: dict[str, Any] | None
    method_version: int
    folder: str
    pins: dict[str, str] = field(default_factory=dict)
    members: tuple[Cell, ...] = ()  # cells that this one builds on, done before it
    calibrate: bool = False  # whether validation predictions are made for calibration at any rate
    compile: bool = False  # whether torch.compile is in the backbone's forward pass
    deterministic: bool = False  # whether only deterministic algorithms may be used
    drift: float | None = None  # of a precision that `auto` chose; not part of the identity

    @property
    def identity(self) -> dict[str, Any]:
        """The resolved configuration, as JSON: everything that may change the score."""
        rule = self.task.train
        more: dict[str, Any] = {}  # what most cells do not have leaves no trace in their ids
        if self.members:
            more["members"] = [member.configuration for member in self.members]
        if self.calibrate:
            more["calibrate"] = True
        if self.compile:
            more["compile"] = True
        if self.deterministic:
            more["deterministic"] = True
        if self.task.condition:
            more["condition"] = self.task.condition
        if self.task.test_on:
            more["test_on"] = self.task.test_on
        return {
            **more,
            "protocol": PROTOCOL_VERSION,
            "data": self.fingerprint,
            "train": {
                "per_class": rule.per_class,
                "size": rule.size,
                "sampling": rule.sampling.value,
                "validation_extra": rule.validation_extra,
            },
            "test_size": self.task.test_size,
            "main_metric": self.task.main_metric,
            "backbone": self.backbone_identity,
            "precision": self.precision.value if self.backbone_identity else None,
            "method": {
                "name": self.method.name,
                "version": self.method_version,
                "parameters": self.method.parameters,
            },
            "trials": self.budget.trials,
            "draw": self.draw,
            "seed": self.seed,
            "control": self.control.value if self.control else None,
        }

    @property
    def run_id(self) -> str:
        """sha256 of the identity (64 hex digits)."""
        return digest(self.identity)

    @property
    def configuration(self) -> str:
        """sha256 of the identity without draw and seed: what a cell's repeats have in common.

        Members are at a cell's own draw, so that this of them says which they are.
        """
        apart = {key: value for key, value in self.identity.items() if key not in REPEATS}
        return digest(apart)

    @property
    def needs(self) -> tuple[str, ...]:
        """Run ids of the cells that must be done before."""
        return tuple(member.run_id for member in self.members)

    @property
    def backbone_label(self) -> str:
        return "none" if self.backbone is None else label_of(self.backbone)

    @property
    def method_label(self) -> str:
        return label_of(self.method)

    def __str__(self) -> str:
        control = f" [{self.control.value}]" if self.control else ""
        rule = self.task.train
        size = "" if rule.full else f" ({rule.per_class} per class)"
        if rule.size is not None:
            size = f" ({rule.size} items)"
        size += f" [{self.task.condition}]" if self.task.condition else ""
        return (
            f"{self.task.key}{size} / {self.backbone_label} / {self.method_label}"
            f" / draw {self.draw} seed {self.seed}{control}"
        )


def label_of(entry: BackboneEntry | MethodEntry) -> str:
    """The name an entry has in tables: its label, or its name with whatever the suite sets."""
    if entry.label:
        return entry.label
    if isinstance(entry, MethodEntry):
        settings = [f"{key}={value}" for key, value in sorted(entry.parameters.items())]
        if entry.members:
            settings.insert(0, " + ".join(entry.members))
    else:
        given = {
            "pooling": entry.pooling and entry.pooling.value,
            "normalize": entry.normalize,
            "max_length": entry.max_length,
            "layer": entry.layer,
            "trim_db": entry.trim_db,
            "weights": None if entry.weights == "pretrained" else entry.weights.value,
        }
        settings = [f"{key}={value}" for key, value in given.items() if value is not None]
    return f"{entry.name}({', '.join(settings)})" if settings else entry.name
