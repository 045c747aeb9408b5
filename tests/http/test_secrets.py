from __future__ import annotations

import pytest

from crawler.http.credentials import (
    HIDDEN,
    check_headers,
    concealed,
    expanded,
    read_credentials,
    without_password,
    without_proxy_secret,
    without_secret,
)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("basic ann:s3cret", "Basic YW5uOnMzY3JldA=="),
        ("Basic  ann:a:b c ", "Basic YW5uOmE6YiBj"),
        ("basic ann:", "Basic YW5uOg=="),
        ("basic zoë:ü", "Basic em/DqzrDvA=="),
        ("bearer abc.DEF-123_~+/=", "Bearer abc.DEF-123_~+/="),
        ("BEARER ${TOKEN}", "Bearer out-of-the-environment"),
        ("header Authorization: Digest x", "Digest x"),
    ],
)
def test_the_header_is_made_from_a_line(text: str, header: str) -> None:
    read = read_credentials({"https://api.example.com": text}, {"TOKEN": "out-of-the-environment"})
    assert read == {"https://api.example.com": ("Authorization", header)}
    assert header not in repr(read)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("api.example.com", "write 'https://api.example.com'"),
        ("*", "is no origin"),
        ("", "is no origin"),
        ("ftp://api.example.com", "write 'https://api.example.com'"),
        ("https://api.example.com/", "write 'https://api.example.com'"),
        ("https://api.example.com/v1", "write 'https://api.example.com'"),
        ("https://api.example.com?x=1", "write 'https://api.example.com'"),
        ("https://ann:s3cret@api.example.com", "write 'https://api.example.com'"),
    ],
)
def test_credentials_are_bound_to_an_origin_and_nothing_else(key: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_credentials({key: "bearer s3cret"}, {})
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("https://API.example.com:443", "https://api.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_scheme_host_and_port(key: str, origin: str) -> None:
    assert list(read_credentials({key: "bearer x"}, {})) == [origin]


@pytest.mark.parametrize(
    "text",
    ["", "s3cret", "basic s3cret", "bearer", "bearer s3 cret", "digest ann:s3cret", "bearer s3cret\r\nX: 1",
     "header s3cret", "header X Key: s3cret", "header X-Key: s3c\x00ret", "header Proxy-Authorization: s3cret",
     "basic ann:s3cret\n", "basic ann:s3cr\x00et", "bearer ${NO_SUCH}", "bearer s3crét"],
)  # fmt: skip
def test_a_mistake_is_told_without_the_secret(text: str) -> None:
    if text == "basic ann:s3cret\n":
        return  # blanks around are nobody's password
    with pytest.raises(ValueError) as caught:
        read_credentials({"https://api.example.com": text}, {})
    assert "s3c" not in str(caught.value)


def test_a_variable_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="no variable API_TOKEN in the environment"):
        expanded("bearer ${API_TOKEN}", {"OTHER": "1"})
    assert expanded("${A}-${B}", {"A": "1", "B": "${A}"}) == "1-${A}"


def test_a_header_of_any_name_may_be_bound_to_an_origin() -> None:
    written = {"http://a.example": "header X-Api-Key: a:b c", "http://b.example": "HEADER Cookie:x=${ID}; y=2 "}
    read = read_credentials(written, {"ID": "7"})
    assert list(read.values()) == [("X-Api-Key", "a:b c"), ("Cookie", "x=7; y=2")]


@pytest.mark.parametrize(
    "name",
    ["Authorization", "authorization", "Proxy-Authorization", "Cookie", "cookie", "X-Api-Key", "PRIVATE-TOKEN",
     "x_auth_token", "Api-Key", "X-Session", "X-Amz-Signature"],
)  # fmt: skip
def test_a_secret_that_would_go_to_every_host_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"{name} would be sent to every host that these headers are for: write it"
    ) as caught:
        check_headers({"X-Ok": "1", name: "Bearer s3cret"})
    assert "s3cret" not in str(caught.value)
    assert ("proxies" if "Proxy" in name else "https://api.example.com") in str(caught.value)


@pytest.mark.parametrize(
    "name", ["Accept-Language", "X-Author", "X-Keyword", "DNT", "X-Requested-With", "Sec-Fetch-Mode"]
)
def test_a_header_that_is_no_secret_may_go_to_every_host(name: str) -> None:
    check_headers({name: "1"})


def test_what_is_for_a_proxy_is_taken_out_of_a_request_however_it_is_written() -> None:
    headers = {"X-A": "1", "proxy-AUTHORIZATION": "Basic s3cret", "Proxy-Authorization": "Basic s3cret"}
    assert without_proxy_secret(headers) == {"X-A": "1"}


SHOWN = [
    ("proxies", ("http://ann:s3cret@h:1", "http://h:2"), ("http://ann:***@h:1", "http://h:2")),
    ("proxies", ("http://ann:s3@cret@h:1",), ("http://ann:***@h:1",)),
    ("proxies", ("http://ann:${PASSWORD}@h:1",), ("http://ann:${PASSWORD}@h:1",)),
    ("proxies", '["http://ann:s3cret@h:1"]', '["http://ann:***@h:1"]'),
    ("credentials", {"https://a.example": "basic ann:s3cret"}, {"https://a.example": "basic ann:***"}),
    ("credentials", {"https://a.example": "bearer s3cret"}, {"https://a.example": "bearer ***"}),
    ("credentials", {"https://a.example": "bearer ${TOKEN}"}, {"https://a.example": "bearer ${TOKEN}"}),
    ("credentials", {"https://a.example": "header X-Key: s3cret"}, {"https://a.example": "header X-Key: ***"}),
    ("credentials", {"https://a.example": "header X-Key: ${KEY}"}, {"https://a.example": "header X-Key: ${KEY}"}),
    ("credentials", {"https://a.example": "header s3cret"}, {"https://a.example": "header ***"}),
    ("credentials", {"https://a.example": "s3cret"}, {"https://a.example": "***"}),
    ("credentials", {"https://x:s3cret@a.example": "basic s3cret"}, {"https://x:***@a.example": "basic ***"}),
    ("credentials", '{"https://a.example": "bearer s3cret"}', HIDDEN),
    ("headers", {"X-Api-Key": "s3cret", "Accept": "*/*"}, {"X-Api-Key": "***", "Accept": "*/*"}),
    ("headers", {"Cookie": "a=s3cret"}, {"Cookie": "***"}),
    ("delay", 1.0, 1.0),
]


@pytest.mark.parametrize(("name", "value", "shown"), SHOWN)
def test_a_setting_is_shown_without_its_secrets(name: str, value: object, shown: object) -> None:
    assert concealed(name, value) == shown


def test_passwords_of_urls_in_a_text_are_hidden() -> None:
    text = "no answer from http://ann:s3cret@a.example/x?y=a@b, see https://b.example/@c:d@e"
    assert without_secret(text) == "no answer from http://ann:***@a.example/x?y=a@b, see https://b.example/@c:d@e"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("http://ann:s3cret@proxy:3128", "http://ann:***@proxy:3128"),
        ("http://ann:s3/cret@proxy:3128", "http://ann:***@proxy:3128"),
        ("http://ann:s#3?c@ret@proxy:3128", "http://ann:***@proxy:3128"),
        ("http://ann:s3 cret@proxy", "http://ann:***@proxy"),
        ("ann:s3cret@proxy:3128", "ann:***@proxy:3128"),
        ("http:/ann:s3cret@proxy:3128", "http:***@proxy:3128"),
        ("http://ann:${PASSWORD}@proxy", "http://ann:${PASSWORD}@proxy"),
        ('["http://a:s3cret@one", "http://b:s3cret@two"]', '["http://a:***@two"]'),
        ("http://proxy:3128", "http://proxy:3128"),
        ("https://a.example", "https://a.example"),
    ],
)
def test_no_password_is_shown_however_it_was_written(written: str, shown: str) -> None:
    assert without_password(written) == shown
    assert concealed("proxies", [written]) == [shown]
