"""Attacks by redirects: without end, in circles, to where nobody should go."""

from __future__ import annotations

from crawler.testing.attack import SKIPPED, Attack, Play, Visit, answer, html


def _to(*locations: str | bytes, status: str = "302 Found") -> bytes:
    lines = [b"Location: " + (text.encode() if isinstance(text, str) else text) for text in locations]
    return answer(b"", *lines, status=status)


def _moved(place: str, *lines: str) -> bytes:
    return answer(b"", f"Location: {place}", *lines, status="302 Found")


async def _chain(visit: Visit) -> None:
    """Each leads to one that was never seen."""
    await visit.send(_moved(f"{visit.here}{int(visit.path or 0) + 1}"))


def _longer(piece: str) -> Play:
    """Each leads to a longer one."""

    async def play(visit: Visit) -> None:
        await visit.send(_moved(f"{visit.here}{visit.path}{piece}"))

    return play


async def _circle(visit: Visit) -> None:
    await visit.send(_moved(visit.here if visit.path else f"{visit.here}other"))


async def _circle_of_ten(visit: Visit) -> None:
    await visit.send(_moved(f"{visit.here}{(int(visit.path or 0) + 1) % 10 or ''}"))


async def _after_cookie(visit: Visit) -> None:
    """The page is shown to those who send back what it sets."""
    has_it = b"seen=1" in visit.head
    await visit.send(answer() if has_it else _moved(visit.here, "Set-Cookie: seen=1"))


async def _new_cookie_each_time(visit: Visit) -> None:
    times = visit.head.count(b"=x")
    await visit.send(_moved(visit.here, f"Set-Cookie: c{times}=x"))


async def _userinfo(visit: Visit) -> None:
    """Whoever logs in with the name that it was told to gets an error."""
    if b"authorization:" in visit.head.lower():
        await visit.send(answer(b"", status="500 It took my word for it"))
    elif visit.path:
        await visit.send(answer())
    else:
        await visit.send(_moved(f"{visit.here.replace('://', '://admin:admin@')}next"))


async def _userinfo_kept(visit: Visit) -> None:
    """A name and a password that change at each hop: a circle that does not look like one."""
    times = len(visit.path)
    await visit.send(_moved(f"{visit.here.replace('://', f'://user{times}@')}{'x' * (times + 1)}"))


async def _fragments(visit: Visit) -> None:
    """The same URL, with another fragment each time."""
    await visit.send(_moved(f"{visit.here}#{id(visit)}"))


async def _cases(visit: Visit) -> None:
    """The same host, written otherwise each time."""
    await visit.send(_moved(visit.here.replace("http:", "hTTp:") + "./" * 3))


async def _refresh_chain(visit: Visit) -> None:
    await visit.send(html("on", f'<meta http-equiv="refresh" content="0; url={visit.here}{int(visit.path or 0) + 1}">'))


async def _refresh_self(visit: Visit) -> None:
    await visit.send(html("here", f'<meta http-equiv="refresh" content="0; url={visit.here}">'))


async def _refresh_header(visit: Visit) -> None:
    await visit.send(answer(b"<p>on</p>", f"Refresh: 0; url={visit.here}{int(visit.path or 0) + 1}"))


_ON = {"refresh_redirect": 5.0}

ATTACKS = (
    Attack("an endless chain", _chain, "redirect", requests=25),
    Attack("an endless chain of longer and longer URLs", _longer("x" * 200), "redirect", requests=25),
    Attack("an endless chain of deeper and deeper URLs", _longer("a/"), "redirect", requests=25, linked=SKIPPED),
    Attack("a circle of two", _circle, "redirect", requests=8),
    Attack("a circle of ten", _circle_of_ten, "redirect", requests=25),
    Attack("to itself once, with a cookie", _after_cookie, requests=4),
    Attack("to itself with a new cookie each time", _new_cookie_each_time, "redirect", requests=6),
    Attack("to itself with another fragment", _fragments, "redirect", requests=6),
    Attack("to itself, spelled otherwise", _cases, "redirect", requests=6),
    Attack("with a user and a password", _userinfo, requests=4),
    Attack("an endless chain with a new user each time", _userinfo_kept, "redirect", requests=25),
    Attack("a Location of 1 MB", _to("/" + "x" * 1_000_000), "malformed_response"),
    Attack("a Location of 200 KB", _to("/" + "x" * 200_000), "redirect"),
    Attack("a Location of 100,000 at signs", _to("http://" + "@" * 100_000 + "/"), "redirect"),
    Attack("a Location of 50,000 dots", _to("/" + "../" * 50_000 + "page"), requests=3),
    Attack("a Location with a host of 50,000 letters", _to("http://" + "ä" * 25_000 + "/"), "redirect"),
    Attack("to a file", _to("file:///etc/passwd"), "redirect"),
    Attack("to ftp", _to("ftp://127.0.0.1/x"), "redirect"),
    Attack("to data", _to("data:text/html,<p>hello"), "redirect"),
    Attack("to a script", _to("javascript:alert(1)"), "redirect"),
    Attack("to gopher", _to("gopher://127.0.0.1:6379/_FLUSHALL"), "redirect"),
    Attack("to dict", _to("dict://127.0.0.1:11211/stats"), "redirect"),
    Attack("to S3", _to("s3://bucket/key"), "redirect"),
    Attack("to a network share", _to("\\\\10.0.0.1\\share"), "redirect", linked=SKIPPED),
    Attack("to the clouds' metadata", _to("http://169.254.169.254/latest/meta-data/"), "redirect", linked=SKIPPED),
    Attack("to a private network", _to("http://10.0.0.1/"), "redirect", linked=SKIPPED),
    Attack("to a private network in decimal", _to("http://167772161/"), "redirect", linked=SKIPPED),
    Attack("to a private network in IPv6", _to("http://[::ffff:10.0.0.1]/"), "redirect", linked=SKIPPED),
    Attack("to another host by a backslash", _to("/\\10.0.0.1/x"), "redirect", linked=SKIPPED),
    Attack("to nowhere", _to("http://"), "redirect"),
    Attack("an empty Location", _to(""), "redirect", requests=5),
    Attack("two Locations", _to("/page", "/other"), "redirect"),
    Attack("no Location", answer(b"", status="302 Found"), "http_302"),
    Attack("a Location with line breaks", _to(b"/\rX-A: 1"), "http_404", requests=4),
    Attack("300 with a Location", _to("/page", status="300 Choices"), "http_300"),
    Attack("an endless chain of refreshes", _refresh_chain, settings=_ON, requests=25),
    Attack("an endless chain of refresh headers", _refresh_header, settings=_ON, requests=25),
    Attack("a page that refreshes to itself", _refresh_self, settings=_ON),
    Attack("a robots.txt that redirects for ever", _longer("?x"), place="/robots.txt", requests=8),
    Attack("a robots.txt that redirects to itself", _moved("/robots.txt"), place="/robots.txt", requests=8),
    Attack("a robots.txt that redirects to a file", _moved("file:///etc/passwd"), place="/robots.txt"),
)
