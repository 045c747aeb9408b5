"""What is asked for: the public Request, and the frontier's Entry around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from crawler.download import DownloadSpec

_LEAST, _MOST = -(2**63), 2**64 - 1
"""Integers that MessagePack has."""
_HIGHEST = 2**63 - 1
_CONTAINERS = (Mapping, list, tuple, set, frozenset, bytes, bytearray, type(None))
"""What ``str()`` would turn into nonsense, were it a header or a field of a form."""


class Request(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One page to fetch, and the callback that gets it.

    A request is plain data: it can be stored, sent to another process and read back equal. It cannot be changed;
    :meth:`replace` makes a changed copy.
    """

    url: str
    """An absolute http or https URL."""
    callback: str = "parse"
    """The name of a spider method. The bound method itself may be given; its name is kept."""
    method: str = "GET"
    headers: dict[str, str] = {}
    """Sent with this request, over those of the settings."""
    body: bytes | None = None
    """At most one of *body*, *json* and *form* is given. A ``str`` body is encoded as UTF-8."""
    json: Any = None  # any JSON value is a legitimate payload
    """Sent as ``application/json``."""
    form: dict[str, str] | None = None
    """Sent as ``application/x-www-form-urlencoded``."""
    cookies: dict[str, str] = {}
    """Sent with this request alone, beside those that the site has set."""
    meta: dict[str, Any] = {}
    """Yours: JSON types only. It arrives as ``page.meta``."""
    priority: int = 0
    """Higher is fetched first; within one priority, first discovered first."""
    unique: bool = True
    """False fetches the URL even if the crawl has seen it."""
    session: str = ""
    """Whose cookies it is sent with, and which jar keeps those that come back: ``session="a"`` is another visitor than
    ``session="b"``. The same URL is another page in another session. Links that :meth:`Page.follow` makes stay in it."""
    download: DownloadSpec | None = None
    """How its body is saved, if it is to be a file: :func:`Download` makes such a request."""

    def __post_init__(self) -> None:
        given: tuple[object, Any] = (self.url, self.callback)  # Any: users may give more than the fields keep
        if type(given[0]) is not str:
            _set(self, "url", _url_text(given[0]))
        if type(given[1]) is not str:
            _set(self, "callback", callback_name(given[1]))
        elif given[1] != "parse":
            _text(given[1], "callback")
        if self.method != "GET":
            _set(self, "method", _text(self.method, "method").upper())
        if self.headers or self.headers is None:
            _set(self, "headers", _texts(self.headers, "headers"))
        if self.cookies or self.cookies is None:
            _set(self, "cookies", _texts(self.cookies, "cookies"))
        if self.meta or self.meta is None:
            _set(self, "meta", plain(_mapping(self.meta, "meta"), "meta"))
        if self.priority or type(self.priority) is not int or type(self.unique) is not bool or self.session != "":
            self._check_rest()
        if self.body is not None or self.json is not None or self.form is not None or self.download is not None:
            self._check_payload()

    def _check_rest(self) -> None:
        if not isinstance(self.priority, int):
            raise TypeError(f"priority is a whole number, not {_article(self.priority)}")
        if not isinstance(self.unique, bool):
            raise TypeError(f"unique is True or False, not {_article(self.unique)}")
        if abs(self.priority) > _HIGHEST:
            raise ValueError(f"priority is a whole number of 64 bits, and {self.priority} is past them")
        if not isinstance(self.session, str):
            raise TypeError(f"session is a name, not {_article(self.session)}")
        _set(self, "priority", int(self.priority))
        _set(self, "session", _text(self.session, "session"))

    def _check_payload(self) -> None:
        if sum(part is not None for part in (self.body, self.json, self.form)) > 1:
            raise TypeError("a Request takes one of body=, json= and form=, not several")
        body: object = self.body
        if isinstance(body, str):
            _set(self, "body", body.encode())
        elif body is not None and not isinstance(body, bytes):
            raise TypeError(f"body is bytes or str, not {type(body).__name__}")
        if self.json is not None:
            _set(self, "json", plain(self.json, "json"))
        if self.form is not None:
            _set(self, "form", _texts(self.form, "form"))
        if self.download is not None:
            self._check_download(self.download)

    def _check_download(self, spec: object) -> None:
        if not isinstance(spec, DownloadSpec):
            raise TypeError(
                f"download is a DownloadSpec, not {_article(spec)}: Download(url, ...) makes such a request"
            )
        if self.method == "HEAD":
            raise ValueError("a HEAD has no body to be saved")

    def replace(self, **changes: Any) -> Request:  # Any: the fields' own types differ
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


def Download(  # noqa: N802 - it reads as the Request that it gives
    url: str,
    callback: str | Callable[..., Any] | None = None,
    *,
    to: str = "",
    max_bytes: int | None = None,
    types: Iterable[str] = (),
    fields: Mapping[str, Any] | None = None,
    referrer: str = "",
    **request_fields: Any,  # Any: the fields of Request
) -> Request:
    """A request whose body is saved as a file: never in memory as a whole, taken up again where it broke off, and whole
    when its callback gets it.

    :param callback: gets a page with ``page.saved``; ``parse_download``, where none is named, makes the record of it
    :param to: where it goes below the folder ``downloads``: ``{host}/{name}``. There are ``{name}``, ``{stem}``,
        ``{ext}`` (with its dot), ``{host}``, ``{sha256}``, ``{spider}`` and those of *fields*; by default it is
        named by its content
    :param max_bytes: instead of the setting ``max_download``
    :param types: the media types that are wanted, as ``["application/pdf", "image/*"]``; by default any
    :param fields: what the record has beside what is known of the file: plain data
    :raises ValueError: *to* names what there is not, or another of these cannot be
    """
    spec = DownloadSpec(
        _text(str(to), "to"),
        max_bytes,
        (types,) if isinstance(types, str) else tuple(types),
        plain(_mapping(fields, "fields"), "fields"),
        _text(referrer, "referrer"),
    )
    return Request(url, callback_name(callback or "parse_download"), download=spec, **request_fields)


class Entry(msgspec.Struct, gc=False):
    """One row of the frontier: a request with what the crawl knows about it. A leased entry is a *lease*."""

    request: Request
    host: str
    """Whom politeness is owed: the host, with the port where it is not the scheme's default."""
    origin: str
    """Scheme, host and port: the owner of a robots.txt."""
    fingerprint: int
    """64 bits that stand for the canonical URL, method and body."""
    depth: int = 0
    """Links followed from a seed; a redirect adds nothing."""
    attempts: int = 0
    """How often it has been on the wire already."""
    process_losses: int = 0
    """How many parse processes were lost with it."""
    redirects: tuple[str, ...] = ()
    """The URLs that redirected here, first one first."""
    referrer: str = ""
    """The page that it was found on; empty for a seed."""
    taken: int = 0
    """Items that an earlier visit gave before ``max_items`` ended it: the next one leaves them out."""
    number: int = 0
    """Its place in the order of discovery."""
    inside: bool = False
    """Whether it may reach private addresses: it is written as a private host, and so are all that led here, from a seed
    on. What a public page leads to is not, and nothing that comes after it."""

    @property
    def key(self) -> tuple[int, int]:
        """Its place among the requests of its host: higher priority first, then first discovered first."""
        return -self.request.priority, self.number

    @property
    def hostname(self) -> str:
        """``host`` without its port."""
        return hostname_of(self.host)

    @property
    def is_seed(self) -> bool:
        return not self.referrer


@lru_cache(maxsize=10_000)
def hostname_of(host: str) -> str:
    """*host* without its port. Remembered: it is asked half a dozen times for each page, of the same few hosts."""
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


def legible(text: str) -> str:
    """*text* with a question mark for each half of a character: what SQLite, JSON and a terminal can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def callback_name(callback: str | Callable[..., Any] | None) -> str:
    """The name under which a spider method is stored.

    :raises TypeError: it is neither a name nor a method of a spider
    """
    if callback is None:
        return "parse"
    if isinstance(callback, str):
        return str.__str__(callback)
    name = getattr(callback, "__name__", "")
    owner = getattr(callback, "__self__", None)
    if owner is None or not name.isidentifier():
        raise TypeError(
            f"callback {callback!r} is no method of the spider. Give the name of a method, or the bound method "
            "itself (callback=self.parse_book): a request must survive being stored, and a function does not."
        )
    if getattr(owner, name, None) != callback:
        raise TypeError(
            f"callback {callback!r} cannot be found again by its name: {type(owner).__name__} has no such {name!r}. "
            "A decorator of methods needs functools.wraps, and a name must not begin with two underscores."
        )
    return name


def plain(value: Any, path: str) -> Any:  # Any: walks arbitrary user data
    """A copy of *value* made of JSON types alone; tuples become lists, and an enumerated text or number becomes that.

    :raises TypeError: something in it is of another type; the message gives the path to it
    :raises ValueError: something in it cannot be stored: a text with half a character, an integer past 64 bits
    """
    if isinstance(value, str):
        return _text(value, path)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise ValueError(f"{path} is an integer of more than 64 bits, which cannot be stored: give it as text")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{path} has the key {key!r}: keys are strings, as in JSON")
        return {_text(key, path): plain(inner, f"{path}[{key!r}]") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    raise TypeError(
        f"{path} is {_article(value)}: a request holds plain data (str, int, float, bool, None, lists and dicts "
        "of them), so that it can be stored and sent to another process"
    )


def _texts(given: Any, path: str) -> dict[str, str]:  # Any: users may give more than the fields keep
    """A copy of *given* with names and values as text."""
    for name, value in _mapping(given, path).items():
        if isinstance(value, _CONTAINERS):
            raise TypeError(f"{path}[{name!r}] is {_article(value)}: a value is one text")
    return {_text(str(name), path): _text(str(value), path) for name, value in _mapping(given, path).items()}


def _mapping(given: Any, path: str) -> Mapping[Any, Any]:  # Any: as above
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"{path} is a dict, not {_article(given)}")
    return given


def _text(value: str, path: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{path} holds half a character ({value[:40]!a}), which cannot be stored or sent: "
                'text.encode("utf-8", "replace").decode() mends it'
            ) from None
    return str.__str__(value)  # of a subclass, the text itself


def _url_text(url: object) -> str:
    if isinstance(url, str):  # lxml has its own kind of text
        return str.__str__(url)
    if type(url).__name__ == "URL":  # yarl's, which users of aiohttp have at hand
        return str(url)
    hint = " (a selector that found nothing?)" if url is None else ""
    raise TypeError(f"the url of a Request is a string, not {_article(url)}{hint}")


def _article(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


_set: Callable[[Request, str, Any], None] = msgspec.structs.force_setattr
