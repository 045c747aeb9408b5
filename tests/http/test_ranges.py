"""Going on with a file: only by a strong validator, and only with what was asked for."""

import pytest

from crawler.http.ranges import WrongRange, asking, begin_of, validator_of
from crawler.response import headers_of

OLD, NOW = "Tue, 01 Dec 2026 00:00:00 GMT", "Tue, 01 Dec 2026 00:10:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"'}, ""),
        ({"ETag": "a"}, ""),
        ({"ETag": '"a"', "Accept-Ranges": "none"}, ""),
        ({"ETag": 'W/"a"', "Last-Modified": OLD, "Date": NOW}, ""),
        ({"Last-Modified": OLD, "Date": NOW}, OLD),
        ({"Last-Modified": NOW, "Date": NOW}, ""),
        ({"Last-Modified": OLD}, ""),
        ({}, ""),
    ],
)
def test_what_a_rest_can_be_asked_for_by(headers: dict[str, str], expected: str) -> None:
    assert validator_of(headers_of(headers)) == expected


def test_the_rest_is_asked_for_on_condition_that_the_file_is_the_same() -> None:
    assert asking(10, '"a"') == {"Range": "bytes=10-", "If-Range": '"a"'}
    assert asking(0, '"a"') == asking(10, "") == {}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Range": "bytes 10-19/20"}, (10, 20)),
        ({"Content-Range": "bytes 10-19/*"}, (10, 20)),
        ({"Content-Range": "Bytes 10-14/20", "ETag": '"a"'}, (10, 20)),
    ],
)
def test_a_rest_that_fits(headers: dict[str, str], expected: tuple[int, int]) -> None:
    assert begin_of(headers_of(headers), 10, '"a"', None) == expected


@pytest.mark.parametrize(
    ("headers", "total", "message"),
    [
        ({}, None, "says not which"),
        ({"Content-Range": "bytes 0-19/20"}, None, "bytes from 0 on came"),
        ({"Content-Range": "bytes 11-19/20"}, None, "bytes from 11 on came"),
        ({"Content-Range": "bytes 10-9/20"}, None, "contradicts itself"),
        ({"Content-Range": "bytes 10-20/20"}, None, "contradicts itself"),
        ({"Content-Range": "bytes 10-19/20"}, 30, "has 20 bytes now, and had 30"),
        ({"Content-Range": "bytes 10-19/20", "ETag": '"b"'}, 20, "changed meanwhile"),
        ({"Content-Range": "bytes 10-19/20", "Content-Type": "multipart/byteranges; boundary=x"}, 20, "several ranges"),
        ({"Content-Range": f"bytes 10-{'9' * 30}/*"}, None, "says not which"),
    ],
)
def test_what_does_not_fit_is_not_joined(headers: dict[str, str], total: int | None, message: str) -> None:
    with pytest.raises(WrongRange, match=message):
        begin_of(headers_of(headers), 10, '"a"', total)
