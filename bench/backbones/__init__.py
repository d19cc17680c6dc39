"""Backbones by name, from the hub, or from a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from bench.backbones.plugin import Plugin, adjusted
from bench.core.asset import Asset, Source
from bench.core.registry import Registry, discover
from bench.core.suite import BackboneEntry
from bench.core.task import Modality

__all__ = ["Plugin", "build", "registry"]

OUTSIDE = ("hub:models/", "file:")
"""What a backbone's name starts with when it is not registered."""


@lru_cache
def registry() -> Registry[Plugin]:
    """Every registered backbone; another package adds its own under `bench.backbones`."""
    return Registry("backbone", discover("bench.backbones", "BACKBONES", "bench.backbones"))


def build(entry: BackboneEntry, folder: Path, pins: Mapping[str, str]) -> Plugin:
    """The backbone of a suite's entry, with what the entry sets.

    Args:
        entry: a registered name, `hub:models/ORG/NAME@REVISION` or `file:FOLDER`.
        folder: where `file:` starts.
        pins: digests (by URI) of what the suite itself does not pin.

    Raises:
        UserError: if nothing has that name.
    """
    if entry.name.startswith(OUTSIDE):
        from bench.backbones import image, speech, text

        makers = {
            Modality.TEXT: text.from_asset,
            Modality.IMAGE: image.from_asset,
            Modality.AUDIO: speech.from_asset,
        }
        return makers[entry.modality or Modality.TEXT](_asset(entry.name, folder, pins), entry)
    plugin = registry()[entry.name]
    return dataclasses.replace(plugin, spec=adjusted(plugin.spec, entry))  # type: ignore[type-var]


def _asset(uri: str, folder: Path, pins: Mapping[str, str]) -> Asset:
    from bench.assets import absolute_file, pinned_digest, pinned_uri

    source = Source(
        path="model",
        uris=(absolute_file(pinned_uri(uri, pins), folder),),
        sha256=pinned_digest(uri, pins, folder),
        tree=True,
    )
    return Asset(name=uri, sources=(source,), license="see the model's card")
