"""Made product pages in the form of a shop's: some 19 KB, 16 links and 200 elements each, where no real ones are at hand.

Rule 1: a page is a pure function of its number, so the same pages are made on every machine.
Rule 2: the six fields that the contenders look for are in each of them.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from random import Random

_SYLLABLES = (
    "ba",
    "cor",
    "den",
    "el",
    "fi",
    "gra",
    "hun",
    "il",
    "jor",
    "ka",
    "lem",
    "mo",
    "nar",
    "os",
    "pel",
    "qui",
    "ro",
    "sta",
)
_RATINGS = ("One", "Two", "Three", "Four", "Five")
_SHELVES = ("Poetry", "Travel", "Music", "History", "Science", "Art")
_NEIGHBOURS = 6
"""Products that each page shows beside its own, with two links each."""

_PAGE = """<!DOCTYPE html>
<!--[if lt IE 9]> <html lang="en" class="old"> <![endif]-->
<html lang="en" class="no-js">
    <head>
        <title>
    {title} | A made shop
</title>
        <meta http-equiv="content-type" content="text/html; charset=UTF-8" />
        <meta name="description" content="
    {text}
" />
        <meta name="viewport" content="width=device-width" />
        <meta name="robots" content="NOARCHIVE,NOCACHE" />
        <link rel="shortcut icon" href="../../static/favicon.ico" />
        <link rel="stylesheet" type="text/css" href="../../static/css/styles.css" />
        <link rel="stylesheet" type="text/css" href="../../static/css/dates.css" />
    </head>
    <body id="default" class="default">
        <header class="header container-fluid">
            <div class="page_inner"><div class="row"><div class="col-sm-8 h1"><a href="../../index.html">A made shop</a></div></div></div>
        </header>
        <div class="container-fluid page"><div class="page_inner">
            <ul class="breadcrumb">
                <li>
                    <a href="../../index.html">Home</a>
                </li>
                <li>
                    <a href="../category/all_1/index.html">Books</a>
                </li>
                <li>
                    <a href="../category/{shelf}_2/index.html">{shelf}</a>
                </li>
                <li class="active">{title}</li>
            </ul>
            <div id="messages">
            </div>
            <div class="content"><div id="content_inner">
                <article class="product_page"><!-- the product -->
                    <div class="row">
                        <div class="col-sm-6"><div id="product_gallery" class="carousel"><div class="thumbnail"><div class="item active">
                            <img src="../../media/{number}.jpg" alt="{title}" />
                        </div></div></div></div>
                        <div class="col-sm-6 product_main">
                            <h1>{title}</h1>
                            <p class="price_color">£{price}</p>
                            {stock}
                            {stars}
                            <!-- <a href="/catalogue/made_{number}/reviews/">No reviews yet</a> -->
                            <hr/>
                            <div class="alert alert-warning" role="alert"><strong>Note:</strong> nothing here is for sale.</div>
                        </div>
                    </div>
                    <div id="product_description" class="sub-header"><h2>Description</h2></div>
                    <p>{text}</p>
                    <div class="sub-header"><h2>Information</h2></div>
                    <table class="table table-striped">
                        <tr><th>UPC</th><td>{upc}</td></tr>
                        <tr><th>Type</th><td>Books</td></tr>
                        <tr><th>Price (excl. tax)</th><td>£{price}</td></tr>
                        <tr><th>Price (incl. tax)</th><td>£{price}</td></tr>
                        <tr><th>Tax</th><td>£0.00</td></tr>
                        <tr><th>Availability</th><td>In stock ({count} available)</td></tr>
                        <tr><th>Number of reviews</th><td>0</td></tr>
                    </table>
                    <div class="sub-header"><h2>Others looked at</h2></div>
                    <ul class="row">
                        {neighbours}
                    </ul>
                </article><!-- the product's end -->
            </div></div>
        </div></div>
        <footer class="footer container-fluid"></footer>
        <script src="../../static/js/library.js"></script>
        <script>var shop = {{ product: {number}, lists: [], ready: function () {{ return this.lists.length > 0; }} }};</script>
    </body>
</html>
"""
_POD = """
                        <li class="col-xs-6 col-sm-4 col-md-3 col-lg-3">
                            <article class="product_pod">
                                <div class="image_container">
                                    <a href="../{slug}/index.html"><img src="../../media/{slug}.jpg" alt="{title}" class="thumbnail"></a>
                                </div>
                                {stars}
                                <h3><a href="../{slug}/index.html" title="{title}">{title}</a></h3>
                                <div class="product_price">
                                    <p class="price_color">£{price}</p>
                                    {stock}
                                    <form>
                                        <button type="submit" class="btn btn-primary" data-loading-text="Adding">Add to basket</button>
                                    </form>
                                </div>
                            </article>
                        </li>"""


def archive(file: Path, pages: int) -> None:
    """Write *pages* pages into *file*, a tar as ``closed_site.build`` reads them."""
    with tarfile.open(file, "w") as tar:
        for number in range(pages):
            body = page(number).encode()
            member = tarfile.TarInfo(f"{number}.html")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))


def page(number: int) -> str:
    """The page of product *number*."""
    chance = Random(number)
    others = [_POD.format(slug=f"made_{number}_{other}", **_product(chance)) for other in range(_NEIGHBOURS)]
    text = " ".join(_words(chance, 12).capitalize() + "." for _ in range(49))
    upc = f"{chance.getrandbits(64):016x}"
    shelf = chance.choice(_SHELVES)
    return _PAGE.format(number=number, text=text, upc=upc, shelf=shelf, neighbours="".join(others), **_product(chance))


def _product(chance: Random) -> dict[str, str]:
    """What a product has on its own page and on others'."""
    icons = '<i class="icon-star"></i>\n' * 5
    count = chance.randrange(1, 30)
    return {
        "title": _words(chance, 4).title(),
        "price": f"{chance.randrange(1000, 6000) / 100:.2f}",
        "count": str(count),
        "stock": f'<p class="instock availability">\n<i class="icon-ok"></i>\nIn stock ({count} available)\n</p>',
        "stars": f'<p class="star-rating {chance.choice(_RATINGS)}">\n{icons}</p>',
    }


def _words(chance: Random, number: int) -> str:
    return " ".join("".join(chance.choices(_SYLLABLES, k=chance.randrange(1, 4))) for _ in range(number))
