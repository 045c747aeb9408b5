"""Logging in by a form, at a server that looks at what it gets: a token of the page, cookies, a redirect after the POST."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from crawler import Page, Request, Spider, run

LOGIN = """<title>Log in</title><p class=error>{error}</p><form action="/login?next=%2Fprivate" method="post">
<input type=hidden name=csrf_token value="{token}"><input name="user[name]"><input type=password name=password>
<input type=checkbox name=remember value=yes><button name=action value=login>Log in</button>
<button name=action value=reset>Forgot it</button></form>"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tokens: dict[str, str] = {}
    """Of each visitor that has come, by cookie, the token that the form must bring."""
    members: set[str] = set()
    posts: list[dict[str, list[str]]] = []

    def do_GET(self) -> None:
        visitor = self.cookies().get("visitor", "")
        if self.path == "/private":
            if visitor in self.members:
                return self.answer(200, "<title>Private</title><p class=secret>42</p>")
            return self.answer(302, "", Location="/login")
        if self.path != "/login":
            return self.answer(404, "")
        visitor = secrets.token_hex(8)
        self.tokens[visitor] = secrets.token_hex(8)
        cookie = f"visitor={visitor}; Path=/; HttpOnly"
        return self.answer(200, LOGIN.format(error="", token=self.tokens[visitor]), **{"Set-Cookie": cookie})

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True)
        self.posts.append(sent)
        visitor = self.cookies().get("visitor", "")
        token = self.tokens.get(visitor, "none")
        if sent.get("csrf_token") != [token]:
            return self.answer(403, "")
        if (sent["user[name]"], sent["password"], sent.get("action")) != (["anna"], ["öpen & sesame"], ["login"]):
            return self.answer(200, LOGIN.format(error="The password is wrong", token=token))
        member = secrets.token_hex(8)  # another visitor from here on, as good sites do
        self.members.add(member)
        return self.answer(302, "", Location="/private", **{"Set-Cookie": f"visitor={member}; Path=/"})

    def cookies(self) -> dict[str, str]:
        return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("Cookie", "")).items()}

    def answer(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    Handler.tokens, Handler.members, Handler.posts = {}, set(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Member(Spider):
    """Asks for the private page, is sent to the login, logs in, and reads it."""

    def __init__(self, password: str, site: str) -> None:
        self.password = password
        self.start_urls = [f"{site}/private"]

    def parse(self, page: Page) -> Any:
        if page.css(".secret"):
            return {"secret": page.css(".secret::text").get()}
        return self.log_in(page)

    def log_in(self, page: Page) -> Request:
        return page.form().submit({"user[name]": "anna"}, self.logged_in, password=self.password, remember=True)

    def logged_in(self, page: Page) -> Any:
        error = page.css(".error::text").get()
        return {"error": error} if error else self.parse(page)


@pytest.mark.parametrize(
    ("password", "expected"),
    [("öpen & sesame", {"secret": "42"}), ("sesame", {"error": "The password is wrong"})],
)
def test_a_spider_logs_in_by_the_form_of_the_page(site: str, password: str, expected: dict[str, str]) -> None:
    result = run(Member, args={"password": password, "site": site}, settings={"obey_robots": False, "delay": 0.0})
    assert list(result) == [expected]
    assert [sorted(post) for post in Handler.posts] == [["action", "csrf_token", "password", "remember", "user[name]"]]
    assert Handler.posts[0]["action"] == ["login"]
