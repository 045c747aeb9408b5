"""What ``page.extract(Book)`` costs beside selectolax code written by hand for the same fields: ratios of medians.

    python benchmarks/extract.py [--archive ../shared/pages/books.tar.gz] [--rounds 15]

Both fill the same ``Book``, with the fields of spiders/books.py, from the same real pages, and must agree on every
field. A round extracts from every page, first by hand or first by rule in turn; its trees are built before the clock
starts. ``parse`` adds what it takes to build them.
"""

from __future__ import annotations

import argparse
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

from selectolax.lexbor import LexborHTMLParser

from crawler import Item, Page, Response, css
from crawler.response import headers_of

ARCHIVE = Path(__file__).resolve().parent.parent.parent / "shared" / "pages" / "books.tar.gz"
PRICE, STOCK, RATING = re.compile(r"[\d.]+"), re.compile(r"\d+"), re.compile(r"star-rating (\w+)")


class Book(Item):
    url: str
    title: str = css(".product_main h1::text")
    price: float = css(".product_main .price_color::text", re=r"[\d.]+")
    in_stock: int = css(".product_main .availability::text", re=r"\d+", default=0)
    rating: str = css(".product_main .star-rating::attr(class)", re=r"star-rating (\w+)")
    category: str = css(".breadcrumb li:nth-child(3) a::text")
    upc: str = css("table.table td::text")


def by_rule(page: Page) -> Book:
    return page.extract(Book)


def by_hand(page: Page) -> Book:
    tree: LexborHTMLParser = page.tree
    price = PRICE.search(tree.css_first(".product_main .price_color").text())
    stock = STOCK.search(tree.css_first(".product_main .availability").text())
    rating = RATING.search(tree.css_first(".product_main .star-rating").attributes["class"])
    return Book(
        url=page.url,
        title=tree.css_first(".product_main h1").text().strip(),
        price=float(price[0].strip()),
        in_stock=int(stock[0].strip()) if stock else 0,
        rating=rating[1].strip(),
        category=tree.css_first(".breadcrumb li:nth-child(3) a").text().strip(),
        upc=tree.css_first("table.table td").text().strip(),
    )


def pages_of(archive: Path) -> list[Response]:
    """The real pages, as they would have come."""
    headers = headers_of({"Content-Type": "text/html; charset=utf-8"})
    with tarfile.open(archive) as packed:
        files = [(member.name, packed.extractfile(member)) for member in packed]
        return [Response(f"https://shop.example/{name}", 200, headers, file.read()) for name, file in files if file]


def seconds_for(extract: Callable[[Page], Book], responses: list[Response]) -> tuple[float, float]:
    """(extracting, building the trees) of all pages."""
    pages = [Page(response) for response in responses]
    begun = process_time()
    for page in pages:
        page.tree  # noqa: B018 - built when it is first asked for
    built = process_time()
    for page in pages:
        extract(page)
    return process_time() - built, built - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    responses = pages_of(options.archive)
    assert all(by_rule(Page(response)) == by_hand(Page(response)) for response in responses)

    ways = {"by hand": by_hand, "by rule": by_rule}
    alone: dict[str, list[float]] = {name: [] for name in ways}
    parsed: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name in sorted(ways, reverse=bool(number % 2)):
            extracting, building = seconds_for(ways[name], responses)
            alone[name].append(extracting)
            parsed[name].append(extracting + building)

    print(f"{len(responses)} pages, six fields, {options.rounds} rounds; µs of CPU a page (median)")
    print(f"{'':<10}{'extract':>10}{'parse + extract':>18}")
    for name in ways:
        micros = [median(times[name]) / len(responses) * 1e6 for times in (alone, parsed)]
        print(f"{name:<10}{micros[0]:>10.1f}{micros[1]:>18.1f}")
    ratios = [median(times["by rule"]) / median(times["by hand"]) for times in (alone, parsed)]
    print(f"{'ratio':<10}{ratios[0]:>10.2f}{ratios[1]:>18.2f}")


if __name__ == "__main__":
    main()
