from __future__ import annotations

import re
import time
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
from a_page import URL, a_page

from crawler.parse.form import Form
from crawler.request import Request


def a_form(controls: str, attributes: str = "", **page: Any) -> Form:
    return a_page(f"<form {attributes}>{controls}</form>", **page).form()


def query(request: Request) -> str:
    return request.url.partition("?")[2]


# Which fields a form has, and what stands in them: (controls, what is sent without a button).

FIELDS: list[tuple[str, str]] = [
    ("<input name=a><input name=b value=2>", "a=&b=2"),
    ("<input value=1><input name='' value=2>", ""),
    ("<input type=hidden name=t value='x&y'><input type=what name=u value=1>", "t=x%26y&u=1"),
    ("<input name=a value=1 disabled><input name=b readonly value=2>", "b=2"),
    ("<input type=button name=a value=1><input type=reset name=b><button type=button name=c>x</button>", ""),
    ("<input type=checkbox name=a><input type=checkbox name=b checked><input type=checkbox name=c value=3 checked>", "b=on&c=3"),
    ("<input type=radio name=a value=1><input type=radio name=a value=2 checked>", "a=2"),
    ("<input type=radio name=a value=1 checked><input type=radio name=a value=2 checked>", "a=2"),
    ("<input name=a value='1\n2'><input type=email name=b value=' x '>", "a=12&b=x"),
    ("<input type=color name=a><input type=range name=b><input type=range name=c min=0 max=10><input type=number name=d value=x>",
     "a=%23000000&b=50&c=5&d="),
    ("<textarea name=a>\nx\n y</textarea>", "a=x%0D%0A+y"),
    ("<textarea name=a></textarea>", "a="),
    ("<select name=a><option>x  y<option value=2>z</select>", "a=x+y"),
    ("<select name=a><option disabled>x<option>y</select>", "a=y"),
    ("<select name=a><optgroup disabled><option>x</optgroup><option>y</select>", "a=y"),
    ("<select name=a><option selected>x<option selected>y<option>z</select>", "a=y"),
    ("<select name=a><option>x<option selected disabled>y</select>", ""),
    ("<select name=a size=4><option>x</select>", ""),
    ("<select name=a></select>", ""),
    ("<select name=a multiple><option selected>x<option>y<option selected value=3>z</select>", "a=x&a=3"),
    ("<select name=a multiple><option>x</select>", ""),
    ("<fieldset disabled><legend><input name=a><legend><input name=b></legend></legend><input name=c></fieldset>", "a=&b="),
    ("<fieldset disabled><div><legend><input name=a></legend></div></fieldset><input name=b>", "b="),
    ("<datalist><input name=a></datalist><input name=b>", "b="),
    ("<input type=file name=a value=x>", "a="),
    ("<input name=a dirname=a.dir value=x><textarea name=b dirname=d dir=rtl></textarea>", "a=x&a.dir=ltr&b=&d=rtl"),
    ("<input type=hidden name=_charset_ value=x>", "_charset_=UTF-8"),
    ("<input name=a value='~*-._ é€'>", "a=%7E*-._+%C3%A9%E2%82%AC"),
    ("<input name=a form=other><input name=b form><input name=c>", "c="),
]  # fmt: skip


@pytest.mark.parametrize(("controls", "sent"), FIELDS)
def test_a_form_sends_what_the_page_has_filled_in(controls: str, sent: str) -> None:
    assert query(a_form(controls).submit(button=False)) == sent


def test_the_fields_are_shown_by_name_and_cannot_be_changed_by_mistake() -> None:
    form = a_form("<input name=a value=1><input name=b><input name=b value=2><input type=submit name=go value=Go>")
    assert form.fields == {"a": "1", "b": ["", "2"]}
    with pytest.raises(TypeError):
        form.fields["a"] = "2"  # type: ignore[index]
    assert repr(form) == f"<Form GET {URL} (a, b)>"


def test_controls_belong_to_a_form_by_its_id_wherever_they_stand() -> None:
    page = a_page(
        "<input name=a form=f value=1><form id=f><input name=b value=2></form>"
        "<form id=g><input name=c value=3><input name=d form=f value=4></form><p id=f>"
    )
    assert page.form("#f").fields == {"a": "1", "b": "2", "d": "4"}
    assert page.form("#g").fields == {"c": "3"}


def test_a_form_between_the_rows_of_a_table_has_the_controls_of_the_rows() -> None:
    page = a_page(
        "<input name=no><table><form action=/a><tr><td><input name=a><table><tr><td><input name=b></table></form></table>"
        "<input name=no>"
    )
    assert page.form().fields == {"a": "", "b": ""}


# Filling in.


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, "u=me&n=1&n=2&c=x&s=1&t="),
        ({"u": "you"}, "u=you&n=1&n=2&c=x&s=1&t="),
        ({"u": None}, "n=1&n=2&c=x&s=1&t="),
        ({"n": "3"}, "u=me&n=3&c=x&s=1&t="),
        ({"n": [3, 4.5, "5"]}, "u=me&n=3&n=4.5&n=5&c=x&s=1&t="),
        ({"n": []}, "u=me&c=x&s=1&t="),
        ({"c": True}, "u=me&n=1&n=2&c=x&c=y&s=1&t="),
        ({"c": False}, "u=me&n=1&n=2&s=1&t="),
        ({"c": ["y"]}, "u=me&n=1&n=2&c=y&s=1&t="),
        ({"s": "2"}, "u=me&n=1&n=2&c=x&s=2&t="),
        ({"off": "x"}, "u=me&n=1&n=2&c=x&s=1&t=&off=x"),
        ({"t": "a\rb\nc\r\nd"}, "u=me&n=1&n=2&c=x&s=1&t=a%0D%0Ab%0D%0Ac%0D%0Ad"),
    ],
)
def test_what_is_given_stands_where_the_field_does(given: dict[str, Any], sent: str) -> None:
    form = a_form(
        "<input name=u value=me><input name=n value=1><input name=n value=2><input type=checkbox name=c value=x checked>"
        "<input type=checkbox name=c value=y><select name=s><option>1<option>2</select><textarea name=t></textarea>"
        "<input name=off disabled>"
    )
    assert query(form.submit(given)) == sent
    assert query(form.submit(**given)) == sent


def test_names_that_are_no_identifiers_and_callbacks_go_together() -> None:
    form = a_form("<input name='user[name]'><input name=q>")
    expected = Request(f"{URL.partition('?')[0]}?user%5Bname%5D=x&q=y", "found")
    assert form.submit({"user[name]": "x"}, "found", q="y") == expected
    assert form.submit({"user[name]": "x"}, q="y", callback="found") == expected
    assert form.submit("found", **{"user[name]": "x", "q": "y"}) == expected
    with pytest.raises(ValueError, match="one callback"):
        form.submit("found", "lost")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"usrname": "x"}, r"no field 'usrname'; did you mean 'username'\? \(what scripts would add goes in extra="),
        ({"zzz": "x"}, "no field 'zzz'; its fields: username, f, c"),
        ({"go": "x"}, "no field 'go'"),  # a button that is not pressed
        ({"username": True}, "'username' is no checkbox"),
        ({"username": b"x"}, "'username' is no file input"),
        ({"f": "x"}, "'f' is a file input"),
        ({"f": ("x", "y")}, "a file for 'f' is bytes"),
        ({"f": ("x", b"y", "a/b\r\nc: d")}, "a file for 'f' is bytes"),
    ],
)
def test_what_a_form_has_not_is_an_error_that_says_what_it_has(given: dict[str, Any], message: str) -> None:
    form = a_form(
        "<input name=username><input type=file name=f><input type=checkbox name=c><button>x</button><button name=go>"
    )
    with pytest.raises(ValueError, match=message):
        form.submit(given)


def test_a_value_that_is_no_text_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="'a' cannot be"):
        a_form("<input name=a>").submit(a=object())  # type: ignore[arg-type]


def test_extra_fields_are_sent_last() -> None:
    form = a_form("<input name=a value=1>")
    assert query(form.submit(extra={"b": "2", "a": ["3", "4"], "c": None})) == "a=1&b=2&a=3&a=4"


# Buttons.

BUTTONS = (
    "<input name=a><input type=submit name=off value=0 disabled><button name=one value=1 id=first>Find it</button>"
    "<input type=submit name=two value=Go><button>plain</button><input type=image name=map><input type=image>"
)


@pytest.mark.parametrize(
    ("button", "sent"),
    [
        (None, "a=&one=1"),
        (True, "a=&one=1"),
        (False, "a="),
        ("two", "a=&two=Go"),
        ("Go", "a=&two=Go"),
        ("Find it", "a=&one=1"),
        ("first", "a=&one=1"),
        ("plain", "a="),
        (("two", "Go"), "a=&two=Go"),
        ("off", "a=&off=0"),
        ("map", "a=&map.x=0&map.y=0"),
    ],
)
def test_one_button_is_pressed(button: Any, sent: str) -> None:
    assert query(a_form(BUTTONS).submit(button=button)) == sent


def test_where_an_image_is_clicked_can_be_given() -> None:
    assert query(a_form(BUTTONS).submit({"map.x": 3, "map.y": 4}, button="map")) == "a=&map.x=3&map.y=4"
    assert query(a_form("<input type=image>").submit(x=3)) == "y=0&x=3"


def test_a_button_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no button 'three'; its buttons: 'off', 'one', 'two', 'plain', 'map', ''"):
        a_form(BUTTONS).submit(button="three")
    with pytest.raises(ValueError, match="its buttons: none"):
        a_form("").submit(button="x")


def test_a_button_may_send_the_form_elsewhere_and_otherwise() -> None:
    form = a_form(
        "<input name=a value=1><button>x</button><button name=b formaction=/else formmethod=post>y</button>"
        "<button name=c formmethod=post formenctype=text/plain formaction>z</button>",
        "action=here",
    )
    assert form.submit() == Request("https://shop.example/list/here?a=1")
    assert form.submit(button="b") == Request(
        "https://shop.example/else", method="POST", form={"a": "1", "b": ""}, unique=False
    )
    assert form.submit(button="c") == Request(
        "https://shop.example/list/here", method="POST", body=b"a=1\r\nc=\r\n", headers={"Content-Type": "text/plain"}, unique=False
    )  # fmt: skip


# Where to, and how.


@pytest.mark.parametrize(
    ("attributes", "url"),
    [
        ("", "https://shop.example/list/page?a=1"),
        ("action", "https://shop.example/list/page?a=1"),
        ("action='?b=2&c=3#d'", "https://shop.example/list/page?a=1"),
        ("action=/s?b=2", "https://shop.example/s?a=1"),
        ("action=//other.example", "https://other.example/?a=1"),
        ("method=what", "https://shop.example/list/page?a=1"),
    ],
)
def test_a_get_form_replaces_the_query(attributes: str, url: str) -> None:
    assert a_form("<input name=a value=1>", attributes).submit() == Request(url)


def test_a_base_counts_for_an_action_and_not_for_none() -> None:
    html = "<base href=/base/><form action=a></form><form id=none></form>"
    assert a_page(html).form().action == "https://shop.example/base/a"
    assert a_page(html).form("#none").action == URL


def test_a_form_that_is_posted_keeps_the_query_and_is_sent_again_and_stays_in_its_session() -> None:
    request = a_form("<input name=a value='x y'>", "method=Post", session="anna").submit("done")
    assert request == Request(URL, "done", "POST", form={"a": "x y"}, unique=False, session="anna")


def test_names_that_repeat_are_a_body_of_their_own() -> None:
    request = a_form("<input name=a value=1><input name=a value='2 €'>", "method=post").submit()
    assert request.form is None
    assert request.body == b"a=1&a=2+%E2%82%AC"
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("attributes", "content_type", "body"),
    [
        ("", "text/html; charset=windows-1252", b"a=%E9%80%26%2328450%3B&_charset_=windows-1252"),
        ("accept-charset='nonsense shift_jis utf-8'", "text/html; charset=utf-8", b"a=%26%23233%3B%26%238364%3B%8A%BF&_charset_=shift_jis"),
        ("accept-charset=utf-16", "text/html; charset=windows-1252", None),
    ],
)  # fmt: skip
def test_a_form_is_sent_in_the_encoding_of_its_page(attributes: str, content_type: str, body: bytes | None) -> None:
    html = f"<form method=post {attributes}><input name=a><input type=hidden name=_charset_>"
    request = a_page(html, content_type).form().submit(a="é€漢")
    assert request.body == body
    assert request.form == (None if body else {"a": "é€漢", "_charset_": "UTF-8"})


def test_an_upload_is_a_multipart_body_that_others_can_read() -> None:
    form = a_form(
        '<input name="a&quot;b" value="1\n2 é"><input type=file name=f multiple><input type=file name=empty>'
        "<input name=t value=x>",
        "method=post enctype=multipart/form-data",
    )
    files = [('a"b\r\n.png', b"\x89PNG\r\n--", "image/png"), b"raw"]
    request = form.submit(f=files)
    assert request.body is not None
    kind = request.headers["Content-Type"]
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    parts = list(message.iter_parts())
    heads = re.findall(rb"Content-Disposition: form-data; (.*)\r\n", request.body)
    assert heads == [
        b'name="a%22b"', b'name="f"; filename="a%22b%0D%0A.png"', b'name="f"; filename="file"', b'name="empty"; filename=""', b'name="t"'
    ]  # fmt: skip
    assert [part.get_content_type() for part in parts[1:4]] == ["image/png", *["application/octet-stream"] * 2]
    assert [part.get_payload(decode=True) for part in parts] == ["12 é".encode(), b"\x89PNG\r\n--", b"raw", b"", b"x"]
    assert form.submit(f=files) == request


def test_a_boundary_stands_nowhere_in_the_parts() -> None:
    form = a_form("<input type=file name=f>", "method=post enctype=multipart/form-data")
    boundary = form.submit(f=b"x").headers["Content-Type"].partition("boundary=")[2]
    request = form.submit(f=boundary.encode())
    assert request.body is not None
    assert request.body.count(request.headers["Content-Type"].partition("boundary=")[2].encode()) == 2


def test_a_file_that_cannot_be_uploaded_is_its_name() -> None:
    assert query(a_form("<input type=file name=f>").submit(f=("a.txt", b"x"))) == "f=a.txt"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ("method=dialog", "closes a dialog"),
        ("action=mailto:a@b.example", "cannot be sent to 'mailto:a@b.example': mailto: is a scheme"),
        ("action='javascript:void(0)'", "javascript: is a scheme"),
        ("action=http://[", "it is not an absolute URL"),
    ],
)
def test_what_cannot_be_sent_is_an_error(attributes: str, message: str) -> None:
    form = a_form("", attributes)  # which may be looked at
    with pytest.raises(ValueError, match=message):
        form.submit()


# Which form.


def test_a_form_is_found_by_css_within_or_around() -> None:
    page = a_page("<form id=a><input name=x></form><div class=box><form id=b><input id=in name=y></form></div>")
    assert list(page.form().fields) == ["x"]
    assert list(page.form("#b").fields) == list(page.form(".box").fields) == list(page.form("#in").fields) == ["y"]


def test_a_form_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    page = a_page("<form id=login class='big box'><input name=user><input name=pass></form><form></form>")
    with pytest.raises(ValueError, match=r"has no form '#in'; its forms: form#login.big.box \(user, pass\); form \(\)"):
        page.form("#in")
    with pytest.raises(ValueError, match="its forms: none"):
        a_page("<p>").form()


@pytest.mark.parametrize(
    "html",
    [
        "<form>" + "<div>" * 400 + "<input name=a>" * 4_000,
        "<form>" + "<fieldset disabled>" * 300 + "<input name=a>" * 4_000,
        "<table><form>" + "<tr><td><input name=a>" * 3_000,
        "<form>" + "<input name=a form=x>" * 5_000,
        "<form><input name=a></form>" * 3_000,
    ],
)
def test_the_controls_of_a_hostile_page_are_found_in_time(html: str) -> None:
    page = a_page(html)
    assert page.tree
    began = time.process_time()
    page.form()
    with pytest.raises(ValueError):
        page.form("#absent")
    assert time.process_time() - began < 2.0  # 50 to 150 ms
