"""A generated site of quotes, in the manner of the one that tutorials of scraping are written for.

Rule 1: what a path shows is a pure function; only who has logged in is in a cookie. Rule 2: the same hundred quotes are
there in every way in which sites hide them: pages, tags, a JSON API, endless scrolling, a script's variable, a table of
layout, and, for those who have logged in, with one more link. Some authors' pages have two addresses.

``python -m crawler.demo.quotes`` serves it until Ctrl-C.
"""

import argparse
import hmac
import json
import random
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from http import HTTPStatus
from urllib.parse import unquote

from crawler.demo.sayings import Quote, authors, quotes
from crawler.demo.site import Answer, Site, Visit

USERNAME, PASSWORD = "reader", "open-sesame"
"""Who may log in."""
QUOTES_PER_PAGE = 10
STYLESHEET = "/static/main.css"


class QuoteSite(Site):
    """The site, open on 127.0.0.1 during the ``with`` block: ``with QuoteSite() as site: print(site.url)``.

    Who logs in is known by a cookie that is signed with a key of this opening: the site keeps nothing in memory.

    :raises OSError: on entering, if *port* is taken; 0 means any free one
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._key = secrets.token_bytes(32)
        self._drawing = random.Random("draw")

    def answer(self, visit: Visit) -> Answer:
        session = self._session(visit.cookies.get("session", ""))
        if visit.path == "/login" and visit.method == "POST":
            return self._log_in(visit.read_form(), session)
        if visit.method not in ("GET", "HEAD"):
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"}, b"")
        if visit.path == "/login":
            return self._login_form("")
        if visit.path == "/logout":
            return self._seen_off()
        if visit.path == "/random":
            return _document(_block(self._drawing.choice(quotes()), session.is_member), session.is_member)
        return page(visit.path, visit.query, session.is_member)

    def _log_in(self, form: Mapping[str, str], session: "_Session") -> Answer:
        if not session.token or not hmac.compare_digest(form.get("csrf_token", "").encode(), session.token.encode()):
            return self._login_form("The form has expired; here is a new one.")
        if (form.get("username"), form.get("password")) != (USERNAME, PASSWORD):
            return self._login_form("Username or password is wrong.")
        return _redirect(HTTPStatus.FOUND, "/", self._cookie(_Session(USERNAME, secrets.token_hex(16))))

    def _login_form(self, error: str) -> Answer:
        """Another token each time, which only this visitor's cookie knows."""
        session = _Session("", secrets.token_hex(16))
        said = f'<p class="error">{error}</p>\n' if error else ""
        answer = _document(said + _LOGIN.format(token=session.token), is_member=False)
        return Answer(answer.status, {**answer.headers, "Set-Cookie": self._cookie(session)}, answer.body)

    def _seen_off(self) -> Answer:
        return _redirect(HTTPStatus.FOUND, "/", "session=; Path=/; Max-Age=0")

    def _cookie(self, session: "_Session") -> str:
        said = f"{session.user}.{session.token}"
        return f"session={said}.{self._seal(said)}; Path=/; HttpOnly; SameSite=Lax"

    def _session(self, cookie: str) -> "_Session":
        said, _, seal = cookie.rpartition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(said).encode()):
            return _Session()
        user, _, token = said.partition(".")
        return _Session(user, token)

    def _seal(self, said: str) -> str:
        return hmac.new(self._key, said.encode(), sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class _Session:
    """What a visitor's cookie says."""

    user: str = ""
    token: str = ""

    @property
    def is_member(self) -> bool:
        return self.user != ""


def page(path: str, query: Mapping[str, str], is_member: bool = False) -> Answer:
    """What a GET of *path* gives, but for the login; *is_member* is for those who have logged in."""
    for pattern, show in _ROUTES:
        if match := re.fullmatch(pattern, path):
            return show(match.groupdict(), query, is_member) or _not_found(is_member)
        if re.fullmatch(pattern, path + "/"):
            return _redirect(HTTPStatus.PERMANENT_REDIRECT, path + "/")  # as web frameworks do
    return _not_found(is_member)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the site until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m crawler.demo.quotes", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one (default: 8000)")
    options = parser.parse_args(argv)
    try:
        QuoteSite(options.port).stay_open()
    except (OSError, OverflowError) as error:
        parser.error(f"cannot open the site: {error}")


# ---- what the paths show


def _index(parts: Mapping[str, str], _: Mapping[str, str], is_member: bool) -> Answer | None:
    found = _sheet(quotes(), parts.get("number", "1"))
    if found is None:
        return None
    return _document(_blocks(found, is_member) + _pager("", found) + _top_tags(), is_member)


def _tag(parts: Mapping[str, str], _: Mapping[str, str], is_member: bool) -> Answer | None:
    tag = parts["tag"]
    found = _sheet(_tagged(tag), parts.get("number") or "1")
    if found is None:
        return None
    head = f'<h3>Viewing tag: <a href="/tag/{tag}/page/1/">{tag}</a></h3>\n'
    return _document(head + _blocks(found, is_member) + _pager(f"/tag/{tag}", found), is_member)


def _about(parts: Mapping[str, str], _: Mapping[str, str], is_member: bool) -> Answer | None:
    author = next((author for author in authors() if unquote(parts["slug"]) in (author.slug, author.old_slug)), None)
    if author is None:
        return None
    return _document(
        f"""<div class="author-details">
<h3 class="author-title">{escape(author.name)}</h3>
<p><strong>Born:</strong> <span class="author-born-date">{author.born:%B %d, %Y}</span>
<span class="author-born-location">in {escape(author.place)}</span></p>
<p><strong>Description:</strong></p>
<div class="author-description">
    {escape(author.description)}
</div>
</div>""",
        is_member,
    )


def _api(_: Mapping[str, str], query: Mapping[str, str], is_member: bool) -> Answer:
    number = query.get("page", "1")
    number = number if number.isdecimal() and len(number) <= 4 else "1"
    tag = query.get("tag") or None
    found = _sheet(_tagged(tag) if tag else quotes(), number)
    body = {
        "has_next": found is not None and found.number < found.of,
        "page": int(number),
        "quotes": [_plain(quote) for quote in found.quotes] if found else [],
        "tag": tag,
        "top_ten_tags": _counted()[:10],
    }
    return Answer(HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _scroll(_: Mapping[str, str], __: Mapping[str, str], is_member: bool) -> Answer:
    return _document(_SCROLL, is_member)


def _script(parts: Mapping[str, str], _: Mapping[str, str], is_member: bool) -> Answer | None:
    found = _sheet(quotes(), parts.get("number") or "1")
    if found is None:
        return None
    written = json.dumps([_plain(quote) for quote in found.quotes], indent=4).replace("</", r"<\/")
    return _document(_SCRIPT.replace("DATA", written) + _pager("/js", found), is_member)


def _tableful(parts: Mapping[str, str], _: Mapping[str, str], is_member: bool) -> Answer | None:
    """A table for the layout's sake, as in the old days: two rows for each quote, and one for the pager."""
    found = _sheet(quotes(), parts.get("number") or "1")
    if found is None:
        return None
    rows = [
        f"<tr><td>{escape(quote.text)} Author: {escape(quote.author.name)}</td></tr>\n"
        f"<tr><td>Tags: {_tag_links(quote)}</td></tr>"
        for quote in found.quotes
    ]
    pager = f'<tr><td><a href="/tableful/page/{found.number + 1}/">Next</a></td></tr>'
    rows += [pager] if found.number < found.of else []
    return _document("<table>\n" + "\n".join(rows) + "\n</table>", is_member)


def _text(text: str, mime: str) -> Callable[..., Answer]:
    return lambda *_: Answer(HTTPStatus.OK, {"Content-Type": f"{mime}; charset=utf-8"}, text.encode())


_Show = Callable[[Mapping[str, str], Mapping[str, str], bool], Answer | None]
_ROUTES: list[tuple[str, _Show]] = [
    ("/", _index),
    (r"/page/(?P<number>\d{1,4})/", _index),
    (r"/author/(?P<slug>[\w%-]+)/", _about),
    (r"/tag/(?P<tag>[\w-]+)/(?:page/(?P<number>\d{1,4})/)?", _tag),
    ("/api/quotes", _api),
    ("/scroll", _scroll),
    (r"/js/(?:page/(?P<number>\d{1,4})/)?", _script),
    (r"/tableful/(?:page/(?P<number>\d{1,4})/)?", _tableful),
    ("/robots.txt", _text("User-agent: *\nDisallow:\n", "text/plain")),
]


# ---- the pieces of pages


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Page *number* of *of* pages."""

    number: int
    of: int
    quotes: Sequence[Quote]


def _sheet(all_: Sequence[Quote], number: str) -> _Sheet | None:
    """None where there is no such page."""
    at = int(number)
    found = all_[(at - 1) * QUOTES_PER_PAGE : at * QUOTES_PER_PAGE] if at >= 1 else []
    return _Sheet(at, -(-len(all_) // QUOTES_PER_PAGE), found) if found else None


def _tagged(tag: str) -> list[Quote]:
    return [quote for quote in quotes() if tag in quote.tags]


@cache
def _counted() -> list[tuple[str, int]]:
    return Counter(tag for quote in quotes() for tag in quote.tags).most_common()


def _plain(quote: Quote) -> dict[str, object]:
    author = quote.author
    who = {"goodreads_link": author.profile, "name": author.name, "slug": author.slug}
    return {"author": who, "tags": list(quote.tags), "text": quote.text}


def _blocks(sheet: _Sheet, is_member: bool) -> str:
    return "\n".join(_block(quote, is_member) for quote in sheet.quotes)


def _block(quote: Quote, is_member: bool) -> str:
    author = quote.author
    more = f' - <a href="https://goodreads.example{author.profile}">(Goodreads page)</a>' if is_member else ""
    return f"""<div class="quote" itemscope itemtype="http://schema.org/CreativeWork">
<span class="text" itemprop="text">{escape(quote.text)}</span>
<span>by <small class="author" itemprop="author">{escape(author.name)}</small>
<a href="{quote.about}">(about)</a>{more}
</span>
<div class="tags">
Tags:
<meta class="keywords" itemprop="keywords" content="{",".join(quote.tags)}">
{_tag_links(quote)}
</div>
</div>"""


def _tag_links(quote: Quote) -> str:
    return " ".join(f'<a class="tag" href="/tag/{tag}/page/1/">{tag}</a>' for tag in quote.tags)


def _pager(folder: str, sheet: _Sheet) -> str:
    before = f'<li class="previous"><a href="{folder}/page/{sheet.number - 1}/">&larr; Previous</a></li>\n'
    after = f'<li class="next"><a href="{folder}/page/{sheet.number + 1}/">Next &rarr;</a></li>\n'
    found = (before if sheet.number > 1 else "") + (after if sheet.number < sheet.of else "")
    return f'\n<nav><ul class="pager">\n{found}</ul></nav>\n'


def _top_tags() -> str:
    links = [f'<span class="tag-item"><a href="/tag/{tag}/">{tag}</a></span>' for tag, _ in _counted()[:10]]
    return '<div class="tags-box">\n<h2>Top ten tags</h2>\n' + "\n".join(links) + "\n</div>"


def _document(main_: str, is_member: bool, status: int = HTTPStatus.OK) -> Answer:
    door = '<a href="/logout">Logout</a>' if is_member else '<a href="/login">Login</a>'
    html = _FRAME.replace("DOOR", door).replace("MAIN", main_)
    return Answer(status, {"Content-Type": "text/html; charset=utf-8"}, html.encode())


def _not_found(is_member: bool) -> Answer:
    return _document("<h1>Nobody has said that</h1>", is_member, HTTPStatus.NOT_FOUND)


def _redirect(status: int, path: str, cookie: str = "") -> Answer:
    return Answer(status, {"Location": path, **({"Set-Cookie": cookie} if cookie else {})}, b"")


_FRAME = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<title>Quotes of Nobody</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{STYLESHEET}">
</head><body>
<header><h1><a href="/">Quotes of Nobody</a></h1><p>DOOR</p></header>
<main>
MAIN
</main>
</body></html>
"""
_LOGIN = """<form action="/login" method="post" accept-charset="utf-8">
<input type="hidden" name="csrf_token" value="{token}">
<p><label for="username">Username</label> <input type="text" id="username" name="username"></p>
<p><label for="password">Password</label> <input type="password" id="password" name="password"></p>
<p><input type="submit" value="Login"></p>
</form>"""
_SHOW = """function show(quote) {
        const block = document.createElement("div");
        block.className = "quote";
        block.textContent = quote.text + " by " + quote.author.name + ". Tags: " + quote.tags.join(" ");
        document.querySelector(".quotes").append(block);
    }"""
_SCROLL = f"""<div class="quotes"></div>
<script>
    {_SHOW}
    let page = 1, isBusy = false, hasNext = true;
    async function more() {{
        if (isBusy || !hasNext || innerHeight + scrollY < document.body.offsetHeight - 100) return;
        isBusy = true;
        const answer = await fetch('/api/quotes?page=' + page).then(response => response.json());
        answer.quotes.forEach(show);
        page = answer.page + 1;
        hasNext = answer.has_next;
        isBusy = false;
        more();
    }}
    addEventListener("scroll", more);
    more();
</script>"""
_SCRIPT = f"""<div class="quotes"></div>
<script>
    {_SHOW}
    var data = DATA;
    for (var i in data) show(data[i]);
</script>
"""
_CSS = """body { margin: 0 auto; max-width: 52rem; padding: 0 1rem; font: 1rem/1.5 Georgia, "DejaVu Serif", serif; color: #2b2a33; }
header { display: flex; justify-content: space-between; align-items: center; }
a { color: #2f5d62; } h1 a { color: inherit; text-decoration: none; } .error { color: #a3431f; }
.quote { margin: 1rem 0; padding: 1rem; border: 1px solid #ddd; border-radius: .4rem; }
.text { font-style: italic; } .author { font-weight: bold; } .tag, .tag-item a { padding: 0 .4rem; background: #e3eeee; }
.pager { display: flex; justify-content: space-between; list-style: none; padding: 0; }
"""
_ROUTES.append((re.escape(STYLESHEET), _text(_CSS, "text/css")))

if __name__ == "__main__":
    main()
