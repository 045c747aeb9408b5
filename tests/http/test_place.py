"""Where a saved file goes: plain names below its folder, whatever the web calls it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.download import DownloadSpec
from crawler.http.filename import is_plain
from crawler.http.place import admits, media_type_of, places

DIGEST = "0123456789abcdef" * 4
KNOWN = {
    "name": "report.pdf",
    "stem": "report",
    "ext": ".pdf",
    "host": "books.example",
    "sha256": DIGEST,
    "spider": "books",
}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (DownloadSpec(), [f"01/{DIGEST}.pdf"]),
        (DownloadSpec("{host}/{name}"), ["books.example/report.pdf", "books.example/report-01234567.pdf"]),
        (DownloadSpec("{spider}/{stem}{ext}"), ["books/report.pdf", "books/report-01234567.pdf"]),
        (DownloadSpec("{isbn}/cover", fields={"isbn": 978}), ["978/cover", "978/cover-01234567"]),
        (DownloadSpec("{title}.pdf", fields={"title": "../../etc/passwd"}), ["_.._etc_passwd.pdf"]),
        (DownloadSpec("{title}/x", fields={"title": ".."}), ["_/x"]),
        (DownloadSpec("..{title}/{name}", fields={"title": "."}), ["_/report.pdf"]),
        (DownloadSpec("{title}/abs/{name}", fields={"title": ""}), ["_/abs/report.pdf"]),
        (DownloadSpec("a//b/./{name}"), ["a/b/_/report.pdf"]),
        (DownloadSpec("{title}", fields={"title": None}), ["_"]),
        (DownloadSpec("{title}", fields={"title": "con"}), ["_con"]),
        (DownloadSpec("{title}", fields={"title": "C:\\x\\y"}), ["C__x_y"]),
    ],
)
def test_a_template_is_filled_with_plain_names(spec: DownloadSpec, expected: list[str]) -> None:
    assert ["/".join(path) for path in places(spec, KNOWN)][: len(expected)] == expected


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_value_leads_out_of_the_folder(title: str, name: str) -> None:
    spec = DownloadSpec("{title}/{name}", fields={"title": title})
    for path in places(spec, {**KNOWN, "name": name}):
        assert len(path) == 2
        assert all(is_plain(part) for part in path)
        whole = os.path.normpath(Path("/downloads", *path))
        assert whole.startswith("/downloads/")


def test_a_second_file_of_one_name_is_told_apart_by_its_content() -> None:
    paths = ["/".join(path) for path in places(DownloadSpec("{name}"), KNOWN)]
    assert paths == ["report.pdf", "report-01234567.pdf", f"report-{DIGEST}.pdf"]


@pytest.mark.parametrize(
    ("types", "media_type", "expected"),
    [
        ((), "text/html", True),
        ((), "", True),
        (("image/*",), "image/png", True),
        (("image/*",), "text/html", False),
        (("image/*",), "", False),
        (("application/PDF",), "application/pdf", True),
        (("application/pdf", "image/*"), "image/webp", True),
        (("*/*",), "text/html", True),
    ],
)
def test_only_types_that_are_wanted_are_admitted(types: tuple[str, ...], media_type: str, expected: bool) -> None:
    assert admits(types, media_type) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [("Text/HTML; charset=utf-8", "text/html"), ("", ""), ("pdf", ""), ("a/b/c", ""), (f"{'x' * 100}/y", "")],
)
def test_a_media_type_is_read_off_its_header(header: str, expected: str) -> None:
    assert media_type_of(header) == expected
