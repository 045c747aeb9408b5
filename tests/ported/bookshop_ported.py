"""A spider as it is written for another framework; only its import line was changed (it was: import scrapy)."""

import crawler as scrapy


class BookshopSpider(scrapy.Spider):
    name = "bookshop_ported"
    allowed_domains = ["127.0.0.1"]
    start_urls = ["http://127.0.0.1:8000/"]

    def __init__(self, url=None, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if url:
            self.start_urls = [url]

    def parse(self, response):
        for book in response.css("article.product_pod"):
            self.logger.debug("listed: %s", book.css("h3 a::text").get())
            yield response.follow(book.css("h3 a::attr(href)").get(), callback=self.parse_book)

        next_page = response.css("li.next a::attr(href)").get()
        if next_page is not None:
            yield response.follow(next_page, self.parse)

        yield from response.follow_all(css="ul.categories a", callback=self.parse)
        yield scrapy.Request(response.urljoin("/catalogue/page-1.html"), callback=self.parse)

    def parse_book(self, response):
        yield {
            "url": response.url,
            "title": response.css(".product_main h1::text").get(),
            "price": response.css(".price_color::text").re_first(r"[\d.]+"),
            "stock": int(response.css(".availability::text").re_first(r"\d+", default="0")),
            "stars": response.css("p.star-rating::attr(class)").get(default="").split()[-1],
            "image": response.css("img").attrib.get("src"),
            "rows": response.css("table.table td::text").getall(),
            "depth": response.meta.get("depth"),
        }
