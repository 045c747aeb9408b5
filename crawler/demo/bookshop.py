"""A generated bookshop on a loopback port: a site to crawl without internet, and without bothering anybody.

Rule 1: the shop is a pure function. :func:`pages` returns the same bytes for the same arguments; only
``site.py`` knows sockets. Rule 2: beside plain pages it holds one of each thing that a crawler meets on real
sites: a redirect, a dead link, a page behind robots.txt, a slow page, an old charset, a mailto: link.

``python -m crawler.demo.bookshop`` serves it until Ctrl-C.
"""

import argparse
import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from http import HTTPStatus

from crawler.demo.site import Answer, Site, Visit

STYLESHEET = "/static/shop.css"
ABOUT = "/about.html"
PRIVATE = "/private/stock-list.html"  # linked from ABOUT, disallowed in robots.txt: a polite crawler skips it
BESTSELLER = "/catalogue/bestseller"  # linked from the index: a 301 to a product page
SOLD_OUT = "/catalogue/the-vanished-almanac_0/index.html"  # linked from one product page: a 404
BOOKS_PER_PAGE = 20  # as on most shops' listing pages


@dataclass(frozen=True, slots=True)
class Book:
    """One book of the shop."""

    number: int
    title: str
    author: str
    category: str
    price: str
    stars: int
    stock: int
    upc: str
    blurb: str

    @property
    def path(self) -> str:
        """Path of the product page."""
        return f"/catalogue/{_slug(self.title)}_{self.number}/index.html"


def pages(books: int, slow_seconds: float = 1.5) -> dict[str, Answer]:
    """Every path of a shop with *books* books and its answer; a path that is not in the table is a 404.

    :raises ValueError: *books* is less than 1
    """
    if books < 1:
        raise ValueError(f"a bookshop needs at least one book, not {books}")
    shelf = [_book(number) for number in range(1, books + 1)]
    best, latin, slow, dead = (place % books for place in (4, 11, 30, 46))  # the books that play a part
    shelf[latin] = replace(shelf[latin], title="Café Zürich, große Straße")

    listings = {"All books": ("/catalogue", shelf)}
    for category in _CATEGORIES:
        if found := [book for book in shelf if book.category == category]:
            listings[category] = (_folder(category), found)
    links = [f'<li><a href="@{at}/page-1.html">{escape(name)}</a></li>' for name, (at, _) in listings.items()]
    table = {
        "/robots.txt": Answer(HTTPStatus.OK, {"Content-Type": "text/plain"}, _ROBOTS.encode()),
        STYLESHEET: Answer(HTTPStatus.OK, {"Content-Type": "text/css; charset=utf-8"}, _CSS.encode()),
        ABOUT: _document(ABOUT, "About the shop", _ABOUT),
        PRIVATE: _document(PRIVATE, "Stock list", "<h1>Stock list</h1><p>For the staff.</p>"),
        BESTSELLER: Answer(HTTPStatus.MOVED_PERMANENTLY, {"Location": shelf[best].path}, b""),
    }
    for name, (folder, found) in listings.items():
        for number, main in enumerate(_listing(folder, name, found, "".join(links)), start=1):
            path = f"{folder}/page-{number}.html"
            table[path] = _document(path, name, main)
            if path == "/catalogue/page-1.html":
                table["/"] = _document("/", "Welcome", _WELCOME + main)
    for place, book in enumerate(shelf):
        neighbours = [shelf[(place + step) % books] for step in (7, 31, 101)]
        main = _product(book, neighbours, _SEQUEL if place == dead else "")
        answer = _document(book.path, book.title, main, "iso-8859-1" if place == latin else "utf-8")
        table[book.path] = replace(answer, delay=slow_seconds if place == slow else 0.0)
    return table


class Bookshop(Site):
    """The shop, open on 127.0.0.1 during the ``with`` block: ``with Bookshop() as shop: print(shop.url)``.

    *books* is how many it sells, *slow_seconds* how long its slow page takes, *port* 0 means any free port.

    :raises ValueError: *books* is less than 1
    :raises OSError: on entering, if *port* is taken
    """

    def __init__(self, books: int = 240, slow_seconds: float = 1.5, port: int = 0) -> None:
        super().__init__(port)
        self._table = pages(books, slow_seconds)

    def answer(self, visit: Visit) -> Answer:
        if visit.method not in ("GET", "HEAD"):
            return _READ_ONLY
        return self._table.get(visit.path) or _not_found(visit.path)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the shop until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m crawler.demo.bookshop", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one (default: 8000)")
    parser.add_argument("--books", type=int, default=240, help="how many books it sells (default: 240)")
    options = parser.parse_args(argv)
    try:
        Bookshop(books=options.books, port=options.port).stay_open()
    except (OSError, OverflowError, ValueError) as error:
        parser.error(f"cannot open the shop: {error}")


def _book(number: int) -> Book:
    """The same book for the same number, always."""
    rng = random.Random(f"book {number}")
    words = {kind: rng.choice(choices) for kind, choices in _WORDS.items()}
    shares = [5] * 4 + [1] * (len(_CATEGORIES) - 4)  # four big categories, whose listings need two pages
    return Book(
        number=number,
        title=rng.choice(_TITLES).format_map(words),
        author=f"{rng.choice(_WORDS['first'])} {rng.choice(_WORDS['last'])}",
        category=rng.choices(_CATEGORIES, shares)[0],
        price=f"£{rng.randint(5, 59)}.{rng.randint(0, 99):02}",
        stars=rng.randint(1, 5),
        stock=rng.randint(1, 30),
        upc=f"{rng.getrandbits(64):016x}",
        blurb=" ".join(rng.choice(sentences).format_map(words) for sentences in _BLURBS),
    )


def _slug(text: str) -> str:
    """*text* as a part of a path: ``große Straße`` gives ``grosse-strasse``."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("'", "")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _folder(category: str) -> str:
    return f"/catalogue/category/{_slug(category)}"


def _document(path: str, title: str, main: str, charset: str = "utf-8") -> Answer:
    """A whole HTML page. Links are written ``@/from/the/root`` and made relative to *path* here."""
    up = "../" * (path.count("/") - 1) or "./"
    html = _FRAME.format(title=escape(title), main=main, charset=charset).replace('href="@/', f'href="{up}')
    body = html.encode(charset, "xmlcharrefreplace")
    return Answer(HTTPStatus.OK, {"Content-Type": f"text/html; charset={charset}"}, body)


def _not_found(path: str) -> Answer:
    return replace(_document(path, "Not here", "<h1>This shelf is empty</h1>"), status=HTTPStatus.NOT_FOUND)


def _listing(folder: str, name: str, books: Sequence[Book], sidebar: str) -> Iterator[str]:
    """The pages, in order, on which *folder* lists these *books*."""
    shelves = [books[start : start + BOOKS_PER_PAGE] for start in range(0, len(books), BOOKS_PER_PAGE)]
    for number, shelf in enumerate(shelves, start=1):
        before = f'<li class="previous"><a href="@{folder}/page-{number - 1}.html">previous</a></li>'
        after = f'<li class="next"><a href="@{folder}/page-{number + 1}.html">next</a></li>'
        yield f"""<div class="columns">
<nav><ul>{sidebar}</ul></nav>
<section>
<h1>{escape(name)}</h1>
<p class="quiet">{len(books)} books</p>
<div class="shelf">{"".join(map(_pod, shelf))}</div>
<ul class="pager">
{before if number > 1 else ""}
<li class="current">Page {number} of {len(shelves)}</li>
{after if number < len(shelves) else ""}
</ul>
</section>
</div>"""


def _pod(book: Book) -> str:
    """A book as listings show it."""
    title = escape(book.title)
    return f"""<article class="product_pod">
{_cover(book)}
<h3><a href="@{book.path}" title="{title}">{title}</a></h3>
{_stars(book)}
<p class="price_color">{book.price}</p>
</article>"""


def _cover(book: Book) -> str:
    return f'<div class="cover hue{book.number % 4}" aria-hidden="true">{escape(book.title)}</div>'


def _stars(book: Book) -> str:
    return f'<p class="star-rating {_STARS[book.stars - 1]}" title="{book.stars} of 5 stars"></p>'


def _product(book: Book, neighbours: Sequence[Book], sequel: str) -> str:
    """A book's own page. As in real shops, the stock is the second text node: an icon comes before it."""
    title, stock = escape(book.title), f"In stock ({book.stock} available)"
    rows = {"UPC": book.upc, "Author": book.author, "Price": book.price, "Availability": stock}
    table = "\n".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows.items())
    return f"""<ul class="breadcrumb">
<li><a href="@/">Home</a></li><li><a href="@/catalogue/page-1.html">Books</a></li>
<li><a href="@{_folder(book.category)}/page-1.html">{escape(book.category)}</a></li><li>{title}</li>
</ul>
<article class="product_page">
{_cover(book)}
<div class="product_main">
<h1>{title}</h1>
<p class="quiet">by {escape(book.author)}</p>
<p class="price_color">{book.price}</p>
<p class="instock availability">
<i class="icon-ok"></i>
{stock}
</p>
{_stars(book)}
</div>
<div class="details">
<h2 id="product_description">Description</h2>
<p>{escape(book.blurb)}</p>{sequel}
<h2>Details</h2>
<table class="table">
{table}
</table>
</div>
</article>
<h2>On the same table</h2>
<div class="shelf">{"".join(map(_pod, neighbours))}</div>"""


_FRAME = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="{{charset}}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{title}} | Lantern Lane Books</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="@{STYLESHEET}">
</head><body>
<header><a href="@/">Lantern Lane Books</a></header>
<main>
{{main}}
</main>
<footer><a href="@{ABOUT}">About the shop</a> <a href="mailto:hello@bookshop.example">Write to us</a>
<a href="javascript:window.print()">Print this page</a></footer>
</body></html>
"""
_ROBOTS = "User-agent: *\nDisallow: /private/\n"
_WELCOME = f'<p class="welcome">This week everybody reads <a href="@{BESTSELLER}">our bestseller</a>.</p>\n'
_ABOUT = f"""<h1>About the shop</h1>
<p>Every book here comes out of a few word lists: nothing was written, nothing is for sale.</p>
<p>For the staff: <a href="@{PRIVATE}">the stock list</a>, which robots.txt asks crawlers not to read.</p>"""
_SEQUEL = f'\n<p>Its sequel, <a href="@{SOLD_OUT}">The Vanished Almanac</a>, is sold out.</p>'
_READ_ONLY = Answer(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"}, b"")

_CSS = """body { margin: 0 auto; max-width: 66rem; padding: 0 1rem; background: #fbf8f3; color: #2b2a33; }
body { font: 1rem/1.5 Georgia, "DejaVu Serif", serif; }
header, footer { padding: 1rem 0; margin-bottom: 1.5rem; border: solid #e0d6c8; border-width: 0 0 1px; }
header a { color: inherit; font-size: 1.5rem; font-weight: bold; }
footer { display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 3rem; border-width: 1px 0 0; }
a { color: #a3431f; text-decoration: none; } a:hover { text-decoration: underline; }
h1, h3 { margin: 0; line-height: 1.2; } h2 { margin: 2rem 0 .5rem; } h3 { margin-top: 1ex; font-size: 1rem; }
ul { list-style: none; margin: 0; padding: 0; } .quiet, .current { color: #6c6875; }
.welcome { margin-top: 0; padding: .75rem 1rem; background: #f3e9da; border-radius: .4rem; }
.columns { display: grid; gap: 2rem; grid-template-columns: 11rem 1fr; }
.shelf { display: grid; gap: 1.75rem 1.25rem; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
.cover { display: grid; place-items: center; height: 13rem; max-width: 11rem; padding: 1rem; }
.cover { box-sizing: border-box; border-radius: 5px; box-shadow: inset .5rem 0 #0003; }
.cover { color: #fff; font-size: .9rem; text-align: center; }
.hue0 { background: #7b3f3f; } .hue1 { background: #2f5d62; }
.hue2 { background: #5b4b8a; } .hue3 { background: #7d6330; }
.product_pod p { margin: 0; } .price_color { font-weight: bold; }
.star-rating { color: #b97a10; } .One::before { content: "★"; } .Two::before { content: "★★"; }
.Three::before { content: "★★★"; } .Four::before { content: "★★★★"; } .Five::before { content: "★★★★★"; }
.instock { color: #2f6f3a; } .icon-ok::before { content: "✓"; }
.pager, .breadcrumb { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 2rem 0; }
.pager { justify-content: center; } .breadcrumb { gap: .5rem; margin-top: 0; }
.breadcrumb li + li::before { content: "/ "; color: #6c6875; }
.product_page { display: grid; gap: 1rem 2rem; grid-template-columns: 11rem 1fr; }
.details { grid-column: 1 / -1; max-width: 44rem; } .details h2 { margin: 1rem 0 .5rem; }
.table { border-collapse: collapse; } .table :is(th, td) { padding: .4rem 2rem .4rem 0; text-align: left; }
@media (max-width: 40rem) { .columns, .product_page { grid-template-columns: 1fr; } nav ul { columns: 2; } }
"""

_STARS = "One Two Three Four Five".split()
_CATEGORIES = (
    "Mystery,Travel,Fantasy,Nature,Adventure,Art & Design,Astronomy,Classics,Crafts,Fairy Tales,Food & Drink,"
    "Gardening,Ghost Stories,History,Humour,Mathematics,Music,Philosophy,Romance,Science Fiction,Sport"
).split(",")
_WORDS = {
    "adjective": "Amber Borrowed Crooked Forgotten Golden Hidden Midnight Paper Patient Quiet Velvet".split(),
    "thing": "Atlas Bridge Compass Garden Harbour Key Lantern Letter Lighthouse Mirror Orchard River".split(),
    "things": "Bees Clocks Comets Ferns Maps Moths Mushrooms Songbirds Teapots Tides Windmills".split(),
    "person": "Baker Beekeeper Cartographer Clockmaker Gardener Glassblower Librarian Navigator".split(),
    "place": "Almery,Ember Hollow,Harrow Bay,Larkstead,Quillford,Saltmere,Upper Thistle".split(","),
    "first": "Ada Basil Clara Dorian Edith Felix Greta Hugo Ines Jonah Leonie Marek Nell Priya".split(),
    "last": "Ashdown Bellweather Crane Dunmore Fenn Holloway Ivers Kestrel Larkin Quill Thorne".split(),
}
_TITLES = (
    "The {adjective} {thing} of {place}|{first} and the {adjective} {thing}|{things} & Other Tales of {place}"
    "|The {person}'s {adjective} {thing}|The {person} of {place}|A Field Guide to the {things} of {place}"
).split("|")
_BLURBS = [
    "{first} comes to {place} for one quiet summer; the town has other plans.|"
    "It begins with a question that a child in {place} asks, and that nobody can answer.|"
    "For thirty years {first} walked the lanes round {place} with a notebook, and missed little.".split("|"),
    "There are maps, mistakes, and many cats.|What follows is generous and full of weather.".split("|"),
    "Best read near a window.|A book for slow evenings.|Readers are known to miss their stop.".split("|"),
]

if __name__ == "__main__":
    main()
