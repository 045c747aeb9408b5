"""The site of quotes: what it serves, to whom, and that it is always the same."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.demo.quotes import PASSWORD, QUOTES_PER_PAGE, STYLESHEET, USERNAME, QuoteSite, main, page
from crawler.demo.sayings import authors, quotes

ROOT = Path(__file__).parents[2]
KNOWN = [(quote.text, quote.author.name, list(quote.tags)) for quote in quotes()]


@pytest.fixture(scope="module")
def site() -> Iterator[QuoteSite]:
    with QuoteSite() as site:
        yield site


@pytest.fixture
def visitor(site: QuoteSite) -> Iterator["Visitor"]:
    visitor = Visitor(site.url)
    yield visitor
    visitor.connection.close()


class Visitor:
    """A browser of sorts: one connection, and a cookie."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        self.cookie = ""

    def ask(self, path: str, form: dict[str, str] | None = None) -> tuple[http.client.HTTPResponse, str]:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request("GET" if form is None else "POST", path, form and urlencode(form), headers)
        response = self.connection.getresponse()
        text = response.read().decode("utf-8")
        if given := response.getheader("Set-Cookie"):
            self.cookie = given.partition(";")[0]
        return response, text

    def token(self) -> str:
        return attribute(LexborHTMLParser(self.ask("/login")[1]), "input[name=csrf_token]", "value")


def shown(path: str, **query: str) -> LexborHTMLParser:
    answer = page(path, query)
    assert answer.status == 200, path
    return LexborHTMLParser(answer.body.decode("utf-8"))


def asked(path: str, **query: str) -> dict:
    return json.loads(page(path, query).body)


def attribute(tree: LexborHTMLParser, css: str, name: str) -> str:
    node = tree.css_first(css)
    assert node is not None, css
    return node.attributes[name] or ""


def walk(path: str, next_: str = "li.next a") -> Iterator[LexborHTMLParser]:
    """That page, and those that its next links lead to."""
    while True:
        tree = shown(path)
        yield tree
        if tree.css_first(next_) is None:
            return
        path = attribute(tree, next_, "href")


def read(block: LexborNode) -> tuple[str, str, list[str]]:
    [text], [author] = block.css(".text"), block.css(".author")
    return text.text(), author.text(), [tag.text() for tag in block.css(".tags .tag")]


# ---- what there is


def test_there_are_a_hundred_quotes_by_forty_authors_and_no_two_are_alike() -> None:
    assert len({quote.text for quote in quotes()}) == len(quotes()) == 100
    assert {quote.author for quote in quotes()} == set(authors())
    assert len({author.slug for author in authors()}) == 40


def test_there_is_what_trips_up_spiders() -> None:
    assert any(not quote.tags for quote in quotes())
    assert any("</script>" in quote.text for quote in quotes())
    assert any("<" in quote.text and "&" in quote.text for quote in quotes())
    assert any(not author.name.isascii() and author.slug.isascii() for author in authors())
    addresses = {(quote.author.name, quote.about) for quote in quotes()}
    assert len(addresses) > 40  # some authors' pages have two
    on_first_page = [quote.author for quote in quotes()[:QUOTES_PER_PAGE]]
    assert len(set(on_first_page)) < len(on_first_page)


def test_the_quotes_are_the_same_in_every_process() -> None:
    code = """if True:
        from hashlib import sha256
        from crawler.demo.sayings import quotes
        print(sha256(repr(quotes()).encode()).hexdigest())
    """
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert other.stdout.decode().strip() == sha256(repr(quotes()).encode()).hexdigest()


# ---- the ways in which it is shown


def test_the_next_links_pass_every_quote_in_order() -> None:
    pages = list(walk("/"))
    assert len(pages) == 10
    assert [read(block) for tree in pages for block in tree.css(".quote")] == KNOWN
    assert page("/page/1/", {}) == page("/", {})


def test_every_quote_leads_to_its_author() -> None:
    for tree in walk("/"):
        for block in tree.css(".quote"):
            about = shown(f"{block.css('a')[0].attributes['href']}/")
            assert [node.text() for node in about.css(".author-title")] == [read(block)[1]]


def test_an_author_has_a_birthday_a_birthplace_and_a_story() -> None:
    author = authors()[3]
    tree = shown(f"/author/{author.slug}/")
    classes = ("author-title", "author-born-date", "author-born-location", "author-description")
    found = [node.text().strip() for name in classes for node in tree.css(f".{name}")]
    assert found == ["J.T. Marrow", "December 16, 1867", f"in {author.place}", author.description]


def test_every_tag_has_its_quotes_on_as_many_pages_as_they_need() -> None:
    tags = {tag for quote in quotes() for tag in quote.tags}
    sizes = set()
    for tag in tags:
        pages = list(walk(f"/tag/{tag}/page/1/"))
        sizes.add(len(pages))
        assert [read(block) for tree in pages for block in tree.css(".quote")] == [
            row for row in KNOWN if tag in row[2]
        ]
    assert sizes == {1, 2}
    assert page("/tag/bread/", {}) == page("/tag/bread/page/1/", {})


def test_the_api_gives_page_after_page() -> None:
    pages = [asked("/api/quotes", page=str(number)) for number in range(1, 11)]
    rows = [(row["text"], row["author"]["name"], row["tags"]) for found in pages for row in found["quotes"]]
    assert rows == KNOWN
    assert [found["has_next"] for found in pages] == [True] * 9 + [False]
    assert [found["page"] for found in pages] == list(range(1, 11))
    assert pages[0]["tag"] is None
    assert len(pages[0]["top_ten_tags"]) == 10
    assert pages[0]["quotes"][0]["author"] == {
        "goodreads_link": quotes()[0].author.profile,
        "name": quotes()[0].author.name,
        "slug": quotes()[0].author.slug,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (1, True, 10, None)),
        ({"page": "10"}, (10, False, 10, None)),
        ({"page": "11"}, (11, False, 0, None)),
        ({"page": "0"}, (0, False, 0, None)),
        ({"page": "-1"}, (1, True, 10, None)),
        ({"page": "x" * 9}, (1, True, 10, None)),
        ({"page": "9" * 5000}, (1, True, 10, None)),
        ({"tag": "bread"}, (1, True, 10, "bread")),
        ({"tag": "bread", "page": "2"}, (2, False, 5, "bread")),
        ({"tag": "granite"}, (1, False, 0, "granite")),
    ],
)
def test_the_api_answers_any_page_and_tag(query: dict[str, str], expected: tuple[object, ...]) -> None:
    found = asked("/api/quotes", **query)
    assert (found["page"], found["has_next"], len(found["quotes"]), found["tag"]) == expected


def test_the_scrolling_page_holds_no_quote_but_the_way_to_the_api() -> None:
    tree = shown("/scroll")
    assert tree.css(".quote") == []
    assert "/api/quotes?page=" in tree.css("script")[0].text()


def test_the_script_holds_the_quotes_as_json_in_a_variable() -> None:
    rows = []
    for tree in walk("/js/"):
        assert tree.css(".quote") == []
        [script] = tree.css("script")
        written = re.search(r"var data = (\[.*\]);", script.text(), re.DOTALL)
        assert written is not None
        rows += json.loads(written[1])
    assert [(row["text"], row["author"]["name"], row["tags"]) for row in rows] == KNOWN


def test_the_table_has_two_rows_for_each_quote() -> None:
    cells = [cell.text() for tree in walk("/tableful/", "td > a:not(.tag)") for cell in tree.css("td")]
    rows = [text for text in cells if text != "Next"]
    assert rows[::2] == [f"{text} Author: {name}" for text, name, _ in KNOWN]
    assert rows[1::2] == [f"Tags: {' '.join(tags)}" for _, _, tags in KNOWN]


@pytest.mark.parametrize(
    "path",
    [
        "/page/0/",
        "/page/11/",
        "/author/Nobody/",
        "/tag/granite/",
        "/tag/bread/page/3/",
        "/js/page/11/",
        "/tableful/page/0/",
    ],
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert page(path, {}).status == 404


@pytest.mark.parametrize("path", ["/page/2", "/author/J-T-Marrow", "/tag/bread", "/js", "/tableful"])
def test_a_path_without_its_last_slash_is_sent_to_the_one_with_it(path: str) -> None:
    answer = page(path, {})
    assert (answer.status, answer.headers["Location"]) == (308, path + "/")


# ---- over HTTP


@pytest.mark.parametrize(
    ("path", "status", "mime"),
    [
        ("/", 200, "text/html; charset=utf-8"),
        ("/robots.txt", 200, "text/plain; charset=utf-8"),
        (STYLESHEET, 200, "text/css; charset=utf-8"),
        ("/api/quotes?page=2", 200, "application/json"),
        ("/random", 200, "text/html; charset=utf-8"),
        ("/no/such/page", 404, "text/html; charset=utf-8"),
    ],
)
def test_each_kind_of_page_comes_with_its_type(visitor: Visitor, path: str, status: int, mime: str) -> None:
    response, _ = visitor.ask(path)
    assert (response.status, response.getheader("Content-Type")) == (status, mime)


def test_robots_may_go_everywhere(visitor: Visitor) -> None:
    assert visitor.ask("/robots.txt")[1] == "User-agent: *\nDisallow:\n"


def test_a_random_quote_is_one_of_the_hundred(visitor: Visitor) -> None:
    drawn = [read(LexborHTMLParser(visitor.ask("/random")[1]).css(".quote")[0]) for _ in range(20)]
    assert all(quote in KNOWN for quote in drawn)
    assert len({text for text, _, _ in drawn}) > 1


def test_only_the_login_takes_a_form(visitor: Visitor) -> None:
    response, _ = visitor.ask("/", {"a": "b"})
    assert (response.status, response.getheader("Allow")) == (405, "GET, HEAD")
    assert visitor.ask("/")[0].status == 200


# ---- the login


def test_the_token_changes_with_each_visit(visitor: Visitor) -> None:
    assert visitor.token() != visitor.token()


def test_who_logs_in_is_sent_to_the_index_and_sees_more_there(visitor: Visitor) -> None:
    assert "Goodreads" not in visitor.ask("/")[1]
    token = visitor.token()
    response, _ = visitor.ask("/login", {"csrf_token": token, "username": USERNAME, "password": PASSWORD})
    assert (response.status, response.getheader("Location")) == (302, "/")
    tree = LexborHTMLParser(visitor.ask("/")[1])
    links = [node.attributes["href"] for node in tree.css("a[href*=goodreads]")]
    assert links == [f"https://goodreads.example{quote.author.profile}" for quote in quotes()[:10]]
    assert [node.text() for node in tree.css("header p a")] == ["Logout"]


def test_who_logs_out_sees_what_everybody_sees(visitor: Visitor) -> None:
    token = visitor.token()
    visitor.ask("/login", {"csrf_token": token, "username": USERNAME, "password": PASSWORD})
    assert visitor.ask("/logout")[0].status == 302
    assert "Goodreads" not in visitor.ask("/")[1]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"password": "wrong"}, "Username or password is wrong."),
        ({"username": ""}, "Username or password is wrong."),
        ({"csrf_token": ""}, "The form has expired; here is a new one."),
        ({"csrf_token": "0" * 32}, "The form has expired; here is a new one."),
        ({"csrf_token": "ü"}, "The form has expired; here is a new one."),
    ],
)
def test_who_says_something_wrong_gets_the_form_again(visitor: Visitor, fields: dict[str, str], error: str) -> None:
    form = {"csrf_token": visitor.token(), "username": USERNAME, "password": PASSWORD}
    response, text = visitor.ask("/login", {**form, **fields})
    tree = LexborHTMLParser(text)
    assert response.status == 200
    assert [node.text() for node in tree.css(".error")] == [error]
    assert attribute(tree, "input[name=csrf_token]", "value") != form["csrf_token"]
    assert "Goodreads" not in visitor.ask("/")[1]


def test_a_token_is_worth_nothing_with_another_visitors_cookie(site: QuoteSite, visitor: Visitor) -> None:
    other = Visitor(site.url)
    other.token()
    form = {"csrf_token": visitor.token(), "username": USERNAME, "password": PASSWORD}
    assert "has expired" in other.ask("/login", form)[1]
    other.connection.close()


@pytest.mark.parametrize(
    "cookie", [f"session={USERNAME}.00.00", "session=reader", "session=", "a/b=c", "a b; session=ü.ü.ü", "\x7f"]
)
def test_a_cookie_that_is_made_up_is_nobodys(visitor: Visitor, cookie: str) -> None:
    visitor.cookie = cookie
    response, text = visitor.ask("/")
    assert response.status == 200
    assert "Goodreads" not in text


@pytest.mark.parametrize("body", ["a=b&" * 200, "a" * 70_000, "%ff=%ff"])
def test_a_form_of_any_kind_is_answered(visitor: Visitor, body: str) -> None:
    visitor.connection.request("POST", "/login", body)
    response = visitor.connection.getresponse()
    assert (response.status, b"has expired" in response.read()) == (200, True)
    assert visitor.ask("/")[0].status == 200


# ---- the command


def test_the_command_prints_its_address_and_serves_until_ctrl_c() -> None:
    # A shell may have told its children to ignore Ctrl-C: the first line makes the child listen again.
    code = """if True:
        import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
        from crawler.demo.quotes import main
        main(["--port", "0"])
    """
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        visitor = Visitor(child.stdout.readline().strip())
        status = visitor.ask("/")[0].status
        child.send_signal(signal.SIGINT)
        rest = child.communicate(timeout=10)
        visitor.connection.close()
    assert (status, rest, child.returncode) == (200, ("", ""), 0)


def test_a_port_that_is_taken_is_an_error(site: QuoteSite, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--port", str(urlsplit(site.url).port)])
    assert exit_.value.code == 2
    assert "cannot open the site" in capsys.readouterr().err
