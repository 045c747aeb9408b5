"""The knobs of the HTTP cache. Apart from it, so that a crawl without one does not load it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Whether pages are fetched that are there already."""

    cache: Annotated[
        Literal["off", "revalidate", "replay"],
        Meta(
            description="revalidate: pages of earlier crawls that have not changed are not sent again (RFC 9111); "
            "replay: no page is asked for twice, however old, for work on a spider"
        ),
    ] = "off"
    cache_size: Annotated[
        int, Meta(ge=1, description="MiB that the cache may take on disk; what was not used for longest goes first")
    ] = 1024


def cache_path(root: Path) -> Path:
    """The file of the project whose config.toml lies in *root*: all its spiders share it."""
    return root / ".crawl" / "http-cache.sqlite3"
