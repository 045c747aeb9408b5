"""The article of a page: its main text, and what is known of it. trafilatura finds it, of the ``text`` extra.

Rule 1: nothing is fetched: it gets the decoded text of the page, and its own downloads are never called. Rule 2: it reads
a page again and again, in 60 to 100 ms, and more than that for a long one: what is too long is refused, unless it
is read where it can be killed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from crawler.errors import MissingExtra, PageTooHeavy

MAX_TEXT = 1024 * 1024
"""Characters of HTML that are read in the process of the crawl. An article of 100 kB takes 0.2 s."""
MAX_ELEMENTS = 20_000
"""Elements of a page that is read there: 2 s at the most. The largest of 45 front pages of well-known sites has 6,300."""
_MANY = 4_000
"""Elements from which justext is not asked for a second opinion: its time is quadratic, 1.2 s for 4,000 and 300 s for 80,000."""
_SLOW = "to look for an article in it may take minutes"
_SILENT = logging.CRITICAL + 1


class Article(msgspec.Struct, frozen=True, gc=False):
    """The main text of a page, and what the page says of it. What it does not say is empty."""

    title: str = ""
    author: str = ""
    """Several are parted by semicolons."""
    date: str = ""
    """When it was published: ``2026-11-22``."""
    language: str = ""
    """As the page declares it: ``en``, ``de-AT``."""
    text: str = ""
    """Paragraphs, one in a line. Empty if the page has no article."""
    description: str = ""
    image: str = ""
    """Absolute."""
    site_name: str = ""
    url: str = ""
    """The canonical one, if the page names it, else its own."""
    tags: tuple[str, ...] = ()


def article_of(html: str, url: str, urljoin: Callable[[str], str], *, is_trusted: bool = False) -> Article:
    """The article in *html*, the decoded text of the page of *url*. *is_trusted*: however long it takes.

    :raises MissingExtra: trafilatura is not installed
    :raises PageTooHeavy: the page is too long
    :raises ValueError: trafilatura gives the page up
    """
    try:
        import trafilatura  # an extra
        from trafilatura.metadata import extract_metadata
        from trafilatura.utils import load_html
    except ImportError:
        raise MissingExtra("page.article() needs the text extra: pip install trafilatura") from None
    if len(html) > MAX_TEXT and not is_trusted:
        raise PageTooHeavy(url, f"it has more than {MAX_TEXT} characters, and {_SLOW}")
    _hush()
    try:
        tree = load_html(html.replace("\0", "")) if html.strip() else None
        if tree is None:
            return Article(url=url)
        elements = sum(1 for _ in tree.iter())
        if elements > MAX_ELEMENTS and not is_trusted:
            raise PageTooHeavy(url, f"it has more than {MAX_ELEMENTS} elements, and {_SLOW}")
        found: Any = trafilatura.bare_extraction(
            tree, url=url, with_metadata=True, include_comments=False, fast=elements > _MANY
        )
        text = "" if found is None else found.text or ""
        said: Any = found or extract_metadata(tree, url)
    except PageTooHeavy:
        raise
    except Exception as error:  # whatever a page can do to it: it knows no errors of its own
        raise ValueError(f"no article can be read from {url}: {type(error).__name__}: {error}") from None
    return Article(
        title=said.title or "",
        author=said.author or "",
        date=said.date or "",
        language=(tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or "").strip(),
        text=text.strip(),
        description=said.description or "",
        image=urljoin(said.image) if said.image else "",
        site_name=said.sitename or "",
        url=said.url or url,
        tags=tuple(said.tags or ()),
    )


def _hush() -> None:
    """Leave out what trafilatura logs as errors about pages without an article, unless somebody has asked for it."""
    for name in ("trafilatura", "htmldate"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(_SILENT)
