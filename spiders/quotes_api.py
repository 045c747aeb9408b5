"""The quotes of https://quotes.toscrape.com from its JSON API, page after page. Twice: written out, and declared."""

from urllib.parse import urljoin

from crawler import ApiSpider, Item, PageNumber, Spider

SITE = "https://quotes.toscrape.com/"


class QuotesApi(Spider):
    """Quotes of a JSON API, written out: the API says itself whether there is more."""

    name = "quotes_api"

    def __init__(self, url: str = SITE) -> None:
        super().__init__()
        self.start_urls = [urljoin(url, "/api/quotes?page=1")]

    def parse(self, page):
        answer = page.json()
        for quote in answer["quotes"]:
            yield {"text": quote["text"], "author": quote["author"]["name"], "tags": quote["tags"]}
        if answer["has_next"]:
            yield page.follow(f"?page={answer['page'] + 1}")


class Author(Item):
    name: str
    slug: str


class Quote(Item):
    """What an API gives needs no css(): its names are the names of the fields. Others are left out."""

    text: str
    author: Author
    tags: list[str]


class QuotesApiDeclared(ApiSpider):
    """The same, declared: where the rows are, how pages are counted, what each row becomes. It ends at an empty page."""

    name = "quotes_api_declared"
    rows = "quotes"
    paging = PageNumber("page")
    item = Quote

    def __init__(self, url: str = SITE) -> None:
        super().__init__()
        self.start_urls = [urljoin(url, "/api/quotes")]
