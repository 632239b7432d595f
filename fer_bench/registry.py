"""Registry[T]: named objects, duplicates refused, near misses suggested, plug-ins from entry points.

It must not know what it holds: models, attacks and data sets use the same class.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from fer_bench.errors import UsageError

T = TypeVar("T")

#: Names that a message lists at most.
_LISTED = 100


def unknown_name(kind: str, name: str, known: list[str]) -> UsageError:
    """The error for a name that is not among `known`: given, nearest, and all where they are few."""
    lower = {word.lower(): word for word in known}
    short = [word for word in lower if name and word.startswith(name.lower())]
    close = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    near = [lower[word] for word in dict.fromkeys([*short, *close])][:3]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    listed = ", ".join(known) if len(known) <= _LISTED else f"{len(known):,} names"
    return UsageError(f"unknown {kind} '{name}'.{hint} Known: {listed or 'none'}.")


class Registry(Generic[T]):
    """Named objects of one kind, in the order of registration.

    `kind` is the word used in messages ("model"); `group` is the entry-point group that third-party packages use
    to add objects (each entry point resolves to one object, or to a callable without arguments that returns one).
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._items: dict[str, T] = {}
        self._plugins_loaded = False

    def register(self, name: str, item: T) -> T:
        """Adds `item` under `name`. Raises UsageError where the name is taken."""
        if name in self._items:
            raise self._taken(name)
        self._items[name] = item
        return item

    def get(self, name: str) -> T:
        """The item of that name. Raises UsageError with the nearest names where there is none."""
        self._load_plugins()
        try:
            return self._items[name]
        except KeyError:
            raise unknown_name(self.kind, name, list(self._items)) from None

    def names(self) -> list[str]:
        """All names, built-in ones first."""
        self._load_plugins()
        return list(self._items)

    def __iter__(self) -> Iterator[T]:
        self._load_plugins()
        return iter(list(self._items.values()))

    def __contains__(self, name: object) -> bool:
        self._load_plugins()
        return name in self._items

    def __len__(self) -> int:
        self._load_plugins()
        return len(self._items)

    def _load_plugins(self) -> None:
        """Adds what other distributions offer, all of it or, with a UsageError, none of it."""
        if self._plugins_loaded:
            return
        self._plugins_loaded = True  # now already: a plug-in may ask this registry while it is imported
        try:
            offered = [(point.name, self._load(point)) for point in entry_points(group=self.group)]
            names = [*self._items, *(name for name, _ in offered)]
            for name, _ in offered:
                if names.count(name) > 1:
                    raise self._taken(name)
        except UsageError:
            self._plugins_loaded = False
            raise
        for name, item in offered:
            self.register(name, item)

    def _load(self, point: EntryPoint) -> T:
        try:
            loaded = point.load()
            item: T = loaded() if callable(loaded) else loaded
        except Exception as error:  # whatever a plug-in raises when it is imported
            owner = point.dist.name if point.dist else point.value
            raise UsageError(
                f"the {self.kind} plug-in '{point.name}' of {owner} cannot be loaded "
                f"({type(error).__name__}: {error}); repair or uninstall {owner}."
            ) from error
        return item

    def _taken(self, name: str) -> UsageError:
        return UsageError(f"{self.kind} '{name}' is registered twice; names are unique, rename one of them.")
