"""Which spellings of a URL are the same page. The steps are a visible list: add a function and a row.

Canonical forms are compared, never fetched: the crawl asks for the URL as it stood on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from crawler.errors import ConfigError

Canonical: TypeAlias = Callable[[str], str]
"""From a URL, as :func:`crawler.urls.url.address` serializes it, to the form under which it is remembered as seen."""

_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})?")
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")

TRACKING_NAMES = frozenset(
    {
        "_ga", "_gl", "_hsenc", "_hsmi", "dclid", "fbclid", "gad_source", "gbraid", "gclid", "gclsrc", "igshid",
        "mc_cid", "mc_eid", "mkt_tok", "msclkid", "ttclid", "twclid", "wbraid", "yclid",
    }
)  # fmt: skip
"""Query names by which advertisers and newsletters know who clicked; the page does not depend on them."""
TRACKING_PREFIXES = ("utm_", "hsa_", "mtm_", "pk_")
"""Families of such names: Google Analytics, HubSpot, Matomo and its former name."""
SESSION_NAMES = frozenset(
    {
        "aspsessionid", "cfid", "cftoken", "jsessionid", "oscsid", "phpsessid", "sessionid", "session_id", "sid",
        "xtcsid", "zenid",
    }
)  # fmt: skip
"""Query names, and ``;name=`` in paths, that say who asks, as servers write them that cannot set a cookie."""
INDEX_FILES = frozenset(
    {
        "default.asp", "default.aspx", "default.htm", "default.html", "index.asp", "index.aspx", "index.htm",
        "index.html", "index.jsp", "index.php", "index.shtml",
    }
)  # fmt: skip
"""What servers commonly give for a folder."""


def drop_fragment(url: str) -> str:
    """RFC 3986, section 3.5: a fragment is never sent to the server."""
    return url.partition("#")[0]


def normalize_escapes(url: str) -> str:
    """RFC 3986, section 6.2.2: ``%7e`` is ``~``, and ``%c3`` is ``%C3``. A bare ``%`` is ``%25``, as servers read it."""

    def normal(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%25"  # else ``%%37e`` would become ``%7e``, which says something else
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else match[0].upper()

    return _ESCAPE.sub(normal, url) if "%" in url else url


def drop_empty_query(url: str) -> str:
    """``/a?`` and ``/a`` name one page on every server met so far."""
    path, _, query = url.partition("?")
    return url if query else path


def sort_query(url: str) -> str:
    """``?b=1&a=2`` and ``?a=2&b=1`` are one page, as Scrapy also has it; repeated names keep their order."""
    path, mark, query = url.partition("?")
    if "&" not in query:
        return url
    pieces = [piece for piece in query.split("&") if piece]
    return path + mark + "&".join(sorted(pieces, key=lambda piece: piece.partition("=")[0]))


def drop_tracking(url: str) -> str:
    """Without ``utm_source``, ``gclid`` and their like (``TRACKING_NAMES``, ``TRACKING_PREFIXES``)."""
    return _without(url, lambda name: name in TRACKING_NAMES or name.startswith(TRACKING_PREFIXES))


def drop_session_ids(url: str) -> str:
    """Without ``?PHPSESSID=…``, ``;jsessionid=…`` and their like (``SESSION_NAMES``): else each visit is a new site."""
    path, mark, query = url.partition("?")
    if ";" in path:
        begin = path.find("/", 8)  # past https://: a host may have a semicolon, too
        first, *parameters = path[begin:].split(";")
        path = path[:begin] + first + "".join(_after_session(parameter) for parameter in parameters)
    return _without(path + mark + query, lambda name: name in SESSION_NAMES or name.startswith("aspsessionid"))


def drop_www(url: str) -> str:
    """``www.example.com`` is ``example.com``: for crawls of sites that answer under both names."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    while host.startswith("www.") and "." in host[4:]:  # www.com is a site of its own
        host = host[4:]
    return scheme + separator + host + slash + path


def https_is_http(url: str) -> str:
    """Both schemes are one page: for sites on their way to https, whose links are mixed."""
    return "http" + url[5:] if url.startswith("https:") else url


def drop_index(url: str) -> str:
    """``/a/index.html`` is ``/a/`` (``INDEX_FILES``): for sites that link to both."""
    path, mark, query = url.partition("?")
    folder, _, name = path.rstrip("/").rpartition("/")
    if name.lower() not in INDEX_FILES or folder.count("/") < 2:  # those are the scheme's: the name is a host
        return url
    return drop_index(f"{folder}/{mark}{query}")


def drop_trailing_slash(url: str) -> str:
    """``/a/`` is ``/a``, as most frameworks route them; ``/`` itself stays."""
    path, mark, query = url.partition("?")
    bare = path.rstrip("/")
    if len(bare) == len(path) or bare.count("/") < 3:  # two of the scheme, one that begins the path
        return url
    return bare + mark + query


def lowercase_path(url: str) -> str:
    """``/Page`` is ``/page``: for servers on Windows, which do not tell them apart. The query stays as it is."""
    path, mark, query = url.partition("?")
    return normalize_escapes(normalize_escapes(path).lower()) + mark + query  # %41 is a letter, and %C3 stays as it was


class Step(NamedTuple):
    """One row of the table."""

    apply: Canonical
    always: bool
    """Whether it may change a URL that has no query, no escape and no fragment. Nine of ten have none, and a list of
    steps that leaves those alone costs them next to nothing."""


STEPS: dict[str, Step] = {
    "drop_fragment": Step(drop_fragment, always=False),
    "normalize_escapes": Step(normalize_escapes, always=False),
    "https_is_http": Step(https_is_http, always=True),
    "drop_www": Step(drop_www, always=True),
    "lowercase_path": Step(lowercase_path, always=True),
    "drop_session_ids": Step(drop_session_ids, always=True),
    "drop_tracking": Step(drop_tracking, always=False),
    "sort_query": Step(sort_query, always=False),
    "drop_empty_query": Step(drop_empty_query, always=False),
    "drop_index": Step(drop_index, always=True),
    "drop_trailing_slash": Step(drop_trailing_slash, always=True),
}
"""Every step there is, in the order in which they fit together; :func:`canonicalization_step` adds a user's own."""
DEFAULT_STEPS = ("drop_fragment", "normalize_escapes", "sort_query", "drop_empty_query")
"""What is right for every site. A change here makes every stored job start anew."""


@dataclass(frozen=True, slots=True)
class CanonicalOptions:
    """Which URLs count as one page."""

    canonicalization: Annotated[
        list[str],
        Meta(description="steps, in their order, that make two spellings of a URL one page (docs/web.md lists them)"),
    ] = field(default_factory=lambda: list(DEFAULT_STEPS))


def canonicalization_step(step: Canonical) -> Canonical:
    """Add *step* to those that ``canonicalization`` can name, under its function's name.

    It gets a URL and gives the one that it counts as; it must be pure, and give the same when it is asked twice::

        @canonicalization_step
        def drop_page_size(url: str) -> str:
            return re.sub(r"([?&])per_page=\\d+&?", r"\\1", url)

    :raises ValueError: there is a step of that name that is another function
    """
    name = step.__name__
    if name in STEPS and _file_of(STEPS[name].apply) != _file_of(step):  # a file may be loaded twice
        raise ValueError(f"there is a canonicalization step {name!r} already: give yours another name")
    STEPS[name] = Step(step, always=True)
    return step


def canonicalizer(names: Sequence[str]) -> Canonical:
    """The steps of those *names*, one after the other.

    :raises ConfigError: there is no step of a name
    """
    for name in names:
        if name not in STEPS:
            raise ConfigError(f"canonicalization: there is no step {name!r}. There are: {', '.join(STEPS)}")
    rows = [STEPS[name] for name in names]
    steps = tuple(row.apply for row in rows)
    always = tuple(row.apply for row in rows if row.always)

    def canonical(url: str) -> str:
        if "?" not in url and "%" not in url and "#" not in url:
            if not always:
                return url  # what every step would say
            for step in always:
                url = step(url)
            return url
        for step in steps:
            url = step(url)
        return url

    return canonical


canonical = canonicalizer(DEFAULT_STEPS)
"""The form under which a URL is remembered as seen, by default. Doing it twice changes nothing more."""


def _without(url: str, is_noise: Callable[[str], bool]) -> str:
    """*url* without the pieces of its query that have such a name, in lower case."""
    path, mark, query = url.partition("?")
    if not query:
        return url
    pieces = query.split("&")
    kept = [piece for piece in pieces if not is_noise(piece.partition("=")[0].lower())]
    if len(kept) == len(pieces):
        return url
    return path + mark + "&".join(kept) if any(kept) else path


def _file_of(step: Canonical) -> object:
    return getattr(getattr(step, "__code__", None), "co_filename", step)


def _after_session(parameter: str) -> str:
    """What follows a ``;name=value`` in a path, itself included unless it is a session."""
    value, slash, rest = parameter.partition("/")
    is_session = value.partition("=")[0].lower() in SESSION_NAMES
    return f"{slash}{rest}" if is_session else f";{parameter}"
