"""What holds for one host: the crawl's own options, or those of the nearest ``[host."…"]`` table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")

_NAMES = 10_000
"""Host names whose table is remembered: a page may name endless sub-domains."""


class Overrides(Generic[T]):
    """Options of one kind, by host."""

    __slots__ = ("_cache", "_tables", "default")

    def __init__(
        self, default: T, tables: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:  # Any: values of several fields, checked by the configuration
        """*tables* has, for a host name, the fields that differ there and in its sub-domains; none means that the
        default holds there, whatever a parent domain has."""
        self.default = default
        self._tables = {host: replace(default, **table) if table else default for host, table in (tables or {}).items()}
        self._cache: dict[str, T] = {}

    def of(self, hostname: str) -> T:
        """The options of *hostname*'s own table, else of its nearest parent domain's, else the default."""
        if not self._tables:
            return self.default
        found = self._cache.get(hostname)
        if found is None:
            if len(self._cache) >= _NAMES:
                self._cache.clear()
            found = self._cache[hostname] = self._look_up(hostname)
        return found

    def all(self) -> list[T]:
        """Every set of options that any host may have."""
        return [self.default, *self._tables.values()]

    def _look_up(self, hostname: str) -> T:
        name = hostname.rstrip(".")
        while name:
            if name in self._tables:
                return self._tables[name]
            name = name.partition(".")[2]
        return self.default
