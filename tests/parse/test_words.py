"""What the bytes say of the ``<meta>`` tags, beside what the tree says."""

from __future__ import annotations

import random

import pytest

from crawler.parse.page import Page
from crawler.parse.words import words_of_metas
from crawler.response import Response, headers_of

FILL = "<script>" + "x" * 4200 + "</script>"
METAS = "<meta http-equiv=refresh content='0;url=/n'><meta name=robots content=nofollow>"


def a_page(markup: str) -> Page:
    return Page(Response("http://a.example/", 200, headers_of({"Content-Type": "text/html"}), markup.encode()))


@pytest.mark.parametrize(
    "head",
    [
        f"<!--[if IE]><body class=ie><![endif]-->{FILL}{METAS}",
        f"<script>w='<body>'</script>{FILL}{METAS}",
        f"{FILL}<script>w='<body>'</script>{METAS}",
        f"{FILL}<script>w='<body>';v='</scrip>'</script><!-- <body> -->{METAS}",
        f"{FILL}<!-- <BODY> -->{METAS}",
        f"{FILL}<script>w='<body>'</script><title>a <body> b</title><style><body></style>{METAS}",
    ],
)
def test_a_body_that_is_none_does_not_end_the_head(head: str) -> None:
    page = a_page(f"<html><head>{head}</head><body>x")
    assert page.refresh is not None
    assert page.forbids_following


@pytest.mark.parametrize(
    "metas",
    [
        "<meta http-equiv='&#114;efresh' content='0;url=/n'><meta name=robots content='no&#102;ollow'>",
        "<meta http-equiv='&#x72;efresh' content='0;url=/n'><meta name='&#X72;obots' content='&#0110;ofollow'>",
        """<meta a"b content="0;url=/n?a>" http-equiv=refresh><meta name=robots content="> nofollow" c='>'>""",
        """<meta content = "0;url=/n?a>" http-equiv=refresh><meta name=robots x=">" content=",nofollow">""",
    ],
)
def test_words_that_are_written_oddly_are_seen(metas: str) -> None:
    page = a_page(f"<html><head>{metas}</head><body>x")
    assert page.refresh is not None
    assert b"nofollow" in words_of_metas(page.body)


PIECES = [
    *(
        "<meta name=robots content=nofollow>",
        "<meta content='none' name=\"robots\">",
        '<META NAME=ROBOTS a="x>" content=NONE>',
    ),
    *("<meta x'y name=robots content=nofollow>", "<meta name=robots content='&#110;ofollow'>", "<meta "),
    *("name=robots ", "content=nofollow ", ">", "<body>", "<body ", "</body>", "<!--", "-->", "<script>", "</script>"),
    *("<title>", "</title>", "<style>", "</style>", '"', "'", "=", " ", "a", "<b a=1>", "x" * 1500, "x" * 4200),
]


def test_what_the_tree_says_is_in_the_bytes() -> None:
    draw = random.Random(5)
    told = 0
    for _ in range(6_000):
        page = a_page("".join(draw.choices(PIECES, k=draw.randrange(1, 16))))
        metas = page.tree.css("head meta")  # those in the body count in its first 4 KiB alone
        said = [meta.attrs.get("content") or "" for meta in metas if (meta.attrs.get("name") or "").lower() == "robots"]
        is_said = any(content.lower() in ("nofollow", "none") for content in said)
        told += is_said
        words = words_of_metas(page.body)
        assert not is_said or b"nofollow" in words or b"none" in words, page.text.replace("x" * 500, "xx")
    assert told > 100
