"""Every book of the shop, with six fields, from any page of it: ``-a url=http://...``."""

from collections.abc import Iterator

from crawler import Item, Page, Spider, css


class Book(Item):
    url: str
    title: str = css(".product_main h1::text")
    price: float = css(".price_color::text", re=r"[\d.]+")
    in_stock: int = css(".availability::text", re=r"\d+", default=0)
    rating: str = css(".star-rating::attr(class)", re=r"star-rating (\w+)")
    category: str = css("ul.breadcrumb li:nth-child(3) a::text")
    upc: str = css("table.table td::text")


class Books(Spider):
    name = "books_bench"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.start_urls = [url]

    def parse(self, page: Page) -> Iterator[object]:
        yield page.extract(Book)
        yield from page.follow_all("a")
