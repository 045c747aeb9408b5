"""Queries that Lexbor would answer in hours, on pages made for that: they are answered at once, and rightly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deep_queries import NESTED, QUERIES, page_of
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import PageTooHeavy, SelectorError
from crawler.parse import deep
from crawler.parse.chain import chain_of
from crawler.parse.deep import SizedTree
from crawler.parse.query import compile_query
from crawler.parse.select import select

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def took() -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    command = [sys.executable, str(HERE / "deep_queries.py")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("query", "count"), [(query, count) for _, query, count in QUERIES])
def test_a_query_ends_on_a_page_made_against_it(took: dict[str, Any], query: str, count: int | None) -> None:
    found, seconds = took[query]
    assert found == count
    assert seconds < 5.0  # 0.05 here; Lexbor takes hours


@pytest.mark.parametrize(("what", "result"), [("extract", "x"), ("inside each", 0), ("too many", None)])
def test_so_do_items_and_selections_in_elements(took: dict[str, Any], what: str, result: Any) -> None:
    found, seconds = took[what]
    assert found == result
    assert seconds < 20.0  # 0.3 here; ten times as much where the coverage of tests is measured


def test_what_is_refused_says_what_to_do_and_is_answered_where_a_page_is_trusted() -> None:
    page = page_of(b"<span>" * 400 + b"<b>x" * 50)
    with pytest.raises(PageTooHeavy, match=r"a simpler one.*@cpu_bound"):
        page.css("i:not(div span span b)")
    page.trust()
    assert len(page.css("i:not(div span span b)")) == 0


def test_a_query_that_cannot_be_read_is_an_error_there_too() -> None:
    with pytest.raises(SelectorError):
        page_of(NESTED).css("div span b:nothing(")
    with pytest.raises(SelectorError):
        page_of(NESTED).css("div span > > b")


ELEMENTS = st.recursive(
    st.sampled_from(["x", "", "<!-- c -->"]),
    lambda inner: st.builds(
        lambda tag, name, parts: f"<{tag} class='{name}' id='{len(parts)}'>{''.join(parts)}</{tag}>",
        st.sampled_from(["div", "span", "b"]),
        st.sampled_from(["k", "l", "k l"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=30,
)
# Lexbor does not look further up from a compound that begins with :not( or :is(: these begin otherwise.
COMPOUNDS = st.sampled_from(
    ["div", "span", "b", "*", ".k", ".l", "body", "div.k", "[id='1']", "[class~=k]", "*:not(.k)", "b:first-child",
     "span:nth-child(2n + 1)", "*:is(div b, .l)", "b:not(div > .k)", "div:has(> b)", "[id=' > ']", "html"]
)  # fmt: skip
COMBINATORS = st.sampled_from([" ", "  ", " > ", ">", " ~ ", "~", " + ", "+"])
CHAINS = st.builds(
    lambda first, rest: first + "".join(sign + compound for sign, compound in rest),
    COMPOUNDS,
    st.lists(st.tuples(COMBINATORS, COMPOUNDS), max_size=4),
)
SUFFIXES = st.sampled_from(["", "::text", " ::text", "::attr(id)", " ::attr(class)", " *::text"])
QUERY = st.lists(st.builds(str.__add__, CHAINS, SUFFIXES), min_size=1, max_size=3).map(", ".join)


@settings(max_examples=int(os.environ.get("DEEP_EXAMPLES", "250")), deadline=None)
@given(markup=st.lists(ELEMENTS, min_size=1, max_size=4).map("".join), query=QUERY)
def test_stages_find_what_lexbor_finds(markup: str, query: str) -> None:
    plain, staged = SizedTree(f"<body>{markup}"), SizedTree(f"<body>{markup}")
    assert not any(branch.risk and not chain.steps for branch in compile_query(query) for chain in branch.chains)
    parts = [plain.body, *plain.css("div")]
    expected = [select(plain, query).getall(), *[select(part, query).getall() for part in parts]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deep, "_EASY", -1)
        patch.setattr(deep, "_SMALL", {})
        staged.is_light = False
        parts = [staged.body, *staged.css("div")]
        found = [select(staged, query).getall(), *[select(part, query).getall() for part in parts]]
    assert found == expected


@pytest.mark.parametrize(
    ("css", "risk"),
    [
        ("a", 0), (".a > b + c", 0), ("ul > li > a", 0), ("a[x~='b c']", 0), (" a ", 0), ("a:nth-child(2n + 1)", 0),
        ("h3 a", 1), ("li.next > a i", 1), ("a:not(b c)", 1), (r"a\ b c", 1), ("a[x='b c'] d", 1), ("a:is(b, c) d", 1),
        ("a b c", 2), ("a b > c d", 2), ("a:not(:is(b c) d)", 2), ("a b c d", 3),
        ("a ~ b", 100), ("a:has(b)", 100), ("a:not(b ~ c)", 100),
    ],
)  # fmt: skip
def test_what_multiplies_is_counted(css: str, risk: int) -> None:
    assert chain_of(css).risk == risk


def test_ordinary_queries_are_left_to_lexbor() -> None:
    page = page_of(b"<div class=breadcrumb><ul>" + b"<li><a>x</a></li>" * 100 + b"</ul></div>")
    for query in (".breadcrumb li:nth-child(3) a", "h3 a, li.next a", "div ul li a", "li ~ li"):
        (branch,) = compile_query(query)
        assert deep.in_stages(page.tree, branch) is None


def test_a_long_thread_is_searched_as_ever() -> None:
    page = page_of(b"<div class=comment><p class=by><a>x</a></p>" * 600)
    assert len(page.css(".comment .by a::text")) == 600
    assert len(page.css(".comment .comment .by a::text")) == 599
    assert page.css(".comment").css(".comment .by a::text")[0].get() == "x"
