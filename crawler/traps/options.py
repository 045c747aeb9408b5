"""How much of what seems endless is fetched all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from crawler.politeness.overrides import Overrides


@dataclass(frozen=True, slots=True)
class TrapOptions:
    """The bounds of what one host may make up. Each can be unset, and then that rule is off."""

    trap_pages: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="pages of one kind (/calendar/{n}/{n}) that are fetched once they bring nothing new; "
            "one that gives items counts a 25th (unset: any number)"
        ),
    ] = 1_000
    """Four minutes at the usual pause: dear enough to be worth a bound, and more than most kinds have pages at all."""

    max_path_segments: Annotated[
        Annotated[int, Meta(ge=4)] | None,
        Meta(
            description="follow no link whose path has more segments (20, as Heritrix has), or repeats some of them four "
            "times in a row (unset: any)"
        ),
    ] = 20

    max_hosts_per_site: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="follow links to so many hosts of one site (a.example.com, b.example.com) (unset: any number)"
        ),
    ] = 10_000
    """Ten times what the largest site of one owner has; a platform that gives each of its users a host may have more."""


class Caution(Overrides[TrapOptions]):
    """Which :class:`TrapOptions` hold for which host."""

    __slots__ = ()
