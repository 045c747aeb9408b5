"""What the command line tells of robots.txt."""

from crawler.cli.main import NOTHING_WORKED

SPIDER = """
from crawler import Spider


class Site(Spider):
    name = "site"
    start_urls = ["{url}"]

    def parse(self, page):
        yield {{"url": page.url}}
"""


def test_why_tells_how_long_a_delay_a_site_asks_for(crawl, serve, project):
    url = serve({"/": "", "/robots.txt": "User-agent: *\nCrawl-delay: 90\n"})
    project.write("site.py", SPIDER.format(url=url))

    ended = crawl("site.py", "-o", "-")

    assert (ended.code, ended.out) == (NOTHING_WORKED, "")
    told = "the site's robots.txt asks for 90 seconds between two requests; max_crawl_delay = 60.0"
    assert crawl("why", url, "site").out == f"crawl_delay: {told}\n"


def test_a_higher_limit_waits_as_long_as_the_site_asks(crawl, serve, project):
    url = serve({"/": "", "/robots.txt": "User-agent: *\nRequest-rate: 2/1s\n"})
    project.write("site.py", SPIDER.format(url=url))

    assert crawl("site.py", "-o", "a.jsonl", "--set", "max_crawl_delay=0.1").code == NOTHING_WORKED
    ended = crawl("site.py", "-o", "-", "--fresh", "--set", "max_crawl_delay=0.5")

    assert ended.items == [{"url": url}]
