"""What a person is told of pages that seemed endless."""

SITE = """
from crawler import Spider

class Site(Spider):
    name = "site"
    start_urls = ["{url}"]

    def parse(self, page):
        yield from page.follow_all("a")
"""


def test_the_summary_and_why_tell_of_what_was_left_alone(crawl, serve, project):
    chain = {f"/day/{number}": f"<p>No events.</p><a href=/day/{number + 1}>next</a>" for number in range(900)}
    url = serve({"/": "<a href=/day/1>a</a> <a href=/x/x/x/x/>b</a>", **chain})
    project.write("site.py", SITE.format(url=url))

    ran = crawl("site.py", "-o", "-", "--set", "trap_pages=10")

    host = url.split("/")[2]
    assert f"endless   1 kind of pages: {host}/day/{{n}}" in ran.err
    assert (
        "1 link that seem to go on for ever, and brought nothing new "
        "(a new job with trap_pages = unset follows them all: --fresh)"
    ) in ran.err
    assert f"that repeat themselves or are too long to be real (max_path_segments), e.g. {url}x/x/x/x/" in ran.err
    why = crawl("why", f"{url}day/899", "site").out
    assert why.startswith(f"trap: it is of the kind of {url}day/")
    assert why.endswith(", and that seemed endless: 1 link left alone (trap_pages)\n")
    other = crawl("why", f"{url}other", "site").out
    assert other.startswith("never discovered: ")
    assert "it may be of a kind of pages that seemed endless (trap_pages): 1 link left alone" in other
    assert crawl("why", f"{url}x/x/x/x/", "site").out.startswith("trap_path: it repeats itself, or has more than 20")
