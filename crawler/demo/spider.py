"""The spider that ``crawl demo`` runs: every book of the bookshop, with types."""

from crawler import Item, Spider, css

STARS = ["Zero", "One", "Two", "Three", "Four", "Five"]


class Book(Item):
    """One book. Each field says where on the page it is found, and its type is checked."""

    url: str
    title: str = css(".product_main h1::text")
    price: float = css(".price_color::text", re=r"[\d.]+")
    in_stock: int = css(".availability::text", re=r"\d+", default=0)
    rating: int = css(".star-rating::attr(class)", re=r"star-rating (\w+)", then=STARS.index)
    category: str = css(".breadcrumb li:nth-child(3) a::text")
    upc: str = css("table.table td::text")


class Bookshop(Spider):
    """Follows every link and keeps every book."""

    name = "bookshop"

    def __init__(self, url: str = "http://127.0.0.1:8000/") -> None:
        super().__init__()
        self.start_urls = [url]

    def parse(self, page):
        if page.css(".product_main"):
            yield page.extract(Book)
        yield from page.follow_all("a")
