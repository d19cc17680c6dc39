"""Plugins by name: built-in modules of a package, and other packages' entry points.

A module of `bench/methods` (or tasks, backbones) that defines the agreed
attribute is found by itself: adding a method means adding one file.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from bench.core.errors import UserError, did_you_mean


class Named(Protocol):
    """Anything whose description carries a name."""

    @property
    def spec(self) -> Any: ...


P = TypeVar("P", bound=Named)


class Registry(Mapping[str, P]):
    """Names to plugins; a name used twice raises, an unknown one says what is near."""

    def __init__(self, word: str, plugins: Iterable[P] = ()) -> None:
        self.word = word
        self._plugins: dict[str, P] = {}
        for plugin in plugins:
            self.add(plugin)

    def add(self, plugin: P) -> None:
        """Add one plugin.

        Raises:
            ValueError: if its name is taken.
        """
        name = plugin.spec.name
        if name in self._plugins:
            raise ValueError(f"two {self.word}s are named {name!r}")
        self._plugins[name] = plugin

    def __getitem__(self, name: str) -> P:
        if name not in self._plugins:
            raise UserError(f"no {self.word} is named {name!r}{did_you_mean(name, self._plugins)}")
        return self._plugins[name]

    def __contains__(self, name: object) -> bool:
        return name in self._plugins

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._plugins))

    def __len__(self) -> int:
        return len(self._plugins)


def discover(package: str, attribute: str, group: str) -> Iterator[Any]:
    """Yield what the modules of `package` list under `attribute`, then the entry points of `group`.

    Modules whose names begin with an underscore list nothing, and are not imported. An entry point
    may name one plugin or a tuple of them.
    """
    root = importlib.import_module(package)
    for info in pkgutil.iter_modules(root.__path__):
        if info.name.startswith("_"):
            continue
        yield from getattr(importlib.import_module(f"{package}.{info.name}"), attribute, ())
    for entry in importlib.metadata.entry_points(group=group):
        loaded = entry.load()
        yield from loaded if isinstance(loaded, tuple) else (loaded,)
