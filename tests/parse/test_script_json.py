from __future__ import annotations

import time
from typing import Any

import pytest
from a_page import a_page

from crawler.errors import SelectorError
from crawler.parse.script import is_variable


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        ("dataLayer", True),
        ("window.__INITIAL_STATE__", True),
        ("a.b.$c", True),
        ("window.script.x", True),
        ("script", False),
        ("script.state", False),
        ("script#__NEXT_DATA__", False),
        ("script[type='application/json']", False),
        ("#state", False),
        (".state", False),
        ("div script", False),
        ("#app::attr(data-page)", False),
    ],
)
def test_a_variable_is_what_is_written_as_one(wanted: str, verdict: bool) -> None:
    assert is_variable(wanted) is verdict


def test_a_script_that_is_json_is_found_by_css() -> None:
    page = a_page('<script id="__NEXT_DATA__" type="application/json">{"props": {"a": "</b>"}}</script>')
    assert page.script_json("script#__NEXT_DATA__") == {"props": {"a": "</b>"}}
    assert page.script_json("script") == {"props": {"a": "</b>"}}


def test_an_attribute_that_is_json_is_found_by_css() -> None:
    page = a_page('<div id="app" data-page="{&quot;a&quot;: 1}"></div>')
    assert page.script_json("#app::attr(data-page)") == {"a": 1}


ASSIGNED: list[tuple[str, str, Any]] = [
    ("window.__STATE__ = {a: 1};", "window.__STATE__", {"a": 1}),
    ("window.__STATE__ = {a: 1};", "__STATE__", {"a": 1}),
    ("window['__STATE__'] = {a: 1}", "window.__STATE__", {"a": 1}),
    ('self["__STATE__"]={"a":1}', "window.__STATE__", {"a": 1}),
    ("var state = [1, 2], other = 3;", "state", [1, 2]),
    ("const state\n  =\n  'x'", "state", "x"),
    ("var state = {};", "window.state", {}),
    ("app.config.data = {a: 1};", "app.config.data", {"a": 1}),
    ("app['config'] . data = {a: 1};", "app.config.data", {"a": 1}),
    ("window.dataLayer = window.dataLayer || [{a: 1}];", "dataLayer", [{"a": 1}]),
    ("dataLayer ??= [1]", "dataLayer", [1]),
    ("window.a = window.b = {c: 1};", "a", {"c": 1}),
    ("window.a = window.b = {c: 1};", "b", {"c": 1}),
    ("dataLayer.push({event: 'view'});", "dataLayer.push", {"event": "view"}),
    ('window.__S__ = JSON.parse(\'{"a": "b"}\');', "__S__", {"a": "b"}),
    ("if (state == 1) {} if (state === 2) {} f(state => 3); state = 4;", "state", 4),
    ("my.state = 1; mystate = 2; state2 = 3; $state = 4; state = 5", "state", 5),
    ("state = compute(); state = {a: b}; state = {a: 1};", "state", {"a": 1}),
    ("state = [1].concat([2]); state = [3]", "state", [3]),
    ("state = {a: 1}\n", "state", {"a": 1}),
]


@pytest.mark.parametrize(("script", "name", "value"), ASSIGNED)
def test_what_a_script_assigns_is_found_by_name(script: str, name: str, value: Any) -> None:
    assert a_page(f"<script>{script}</script>").script_json(name) == value


def test_the_first_script_that_assigns_a_literal_counts() -> None:
    page = a_page("<script>x = f()</script><script>x = {a: 1}</script><script>x = {a: 2}</script>")
    assert page.script_json("x") == {"a": 1}


@pytest.mark.parametrize(
    ("html", "wanted", "message"),
    [
        ("<script>y = 1</script>", "window.x", "no script of https://shop.example/.* assigns window.x"),
        ("<script>x = f({a: 1})</script>", "x", "assigns x, but no literal: there is no literal, at character 4: 'f"),
        ("<script>x = {a: 1}.b</script>", "x", "part of an expression: '.b'"),
        ("<script>1</script>", "script#absent", "has no element 'script#absent'"),
        ("<script>x = {a: 1}</script>", "script", "is no JSON: .* asked for by its name, as in window.__STATE__"),
        ("<script></script>", "script", "is no JSON"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_was_looked_for(html: str, wanted: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_page(html).script_json(wanted)


def test_a_css_query_that_cannot_be_read_is_a_selector_error() -> None:
    with pytest.raises(SelectorError):
        a_page("<p>").script_json("script[")


@pytest.mark.parametrize("script", ["x={a:", "x=/*", "x=[1,", "x = ", "window ", "x=a.", "x=x||", "x" + " " * 300])
def test_assignments_without_end_are_given_up_in_time(script: str) -> None:
    page = a_page("<script>" + script * (600_000 // len(script)) + "</script>")
    assert page.tree
    began = time.process_time()
    with pytest.raises(ValueError):
        page.script_json("x")
    assert time.process_time() - began < 2.0  # 5 to 150 ms
