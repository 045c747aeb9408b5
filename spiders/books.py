"""Every book of https://books.toscrape.com, a bookshop that is there to be scraped."""

from crawler import Item, Spider, css


class Book(Item):
    url: str
    title: str = css(".product_main h1::text")
    price: float = css(".product_main .price_color::text", re=r"[\d.]+")
    in_stock: int = css(".product_main .availability::text", re=r"\d+", default=0)
    rating: str = css(".product_main .star-rating::attr(class)", re=r"star-rating (\w+)")
    category: str = css(".breadcrumb li:nth-child(3) a::text")
    upc: str = css("table.table td::text")


class Books(Spider):
    """The catalogue of a bookshop: title, price, stock, rating, category and UPC of each book."""

    name = "books"

    def __init__(self, url: str = "https://books.toscrape.com/") -> None:
        super().__init__()
        self.start_urls = [url]

    def parse(self, page):
        if page.css(".product_main"):
            yield page.extract(Book)
        yield from page.follow_all("h3 a, li.next a, .breadcrumb a")
