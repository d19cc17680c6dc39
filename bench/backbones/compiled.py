"""torch.compile for a loaded backbone's forward pass."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bench.core.backbone import Backbone

BACKEND = "inductor"
"""torch.compile's own default."""


@runtime_checkable
class Compiles(Protocol):
    """A backbone whose forward pass is its own, and not that of its module."""

    def compile(self, backend: str) -> None: ...


def compile_forward(backbone: Backbone, backend: str | None = None) -> Backbone:
    """The same backbone, compiled for whatever lengths come; the first batches take longer.

    Args:
        backbone: as its plugin loaded it; it is changed.
        backend: of torch.compile; its own default unless it is another in tests.

    Raises:
        NotApplicableError: if it has no torch module.
    """
    backend = backend or BACKEND
    if isinstance(backbone, Compiles):
        backbone.compile(backend)
    else:
        backbone.module().compile(dynamic=True, backend=backend)
    return backbone
