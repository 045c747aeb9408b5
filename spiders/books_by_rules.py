"""Every book of https://books.toscrape.com, like books.py, but by rules: they say which links lead where."""

from crawler import Item, Rule, RuleSpider, css


class Book(Item):
    url: str
    title: str = css(".product_main h1::text")
    price: float = css(".product_main .price_color::text", re=r"[\d.]+")
    details: dict[str, str] = {}


class BooksByRules(RuleSpider):
    """The books again, by rules: from page to page of the catalogue, and into each book."""

    name = "books_by_rules"
    rules = [
        Rule(restrict_css="li.next"),  # no callback: such pages are only searched for more links
        Rule(restrict_css="article.product_pod h3", callback="parse_book"),
    ]

    def __init__(self, url: str = "https://books.toscrape.com/") -> None:
        super().__init__()
        self.start_urls = [url]

    def parse_book(self, page):
        book = page.extract(Book)
        book.details = page.table(vertical=True)  # names with their values, whatever the shop has there
        yield book
