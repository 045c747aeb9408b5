"""File names out of headers and URLs: what browsers would call the file, and never more than a plain name."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.http.filename import ENDINGS, LONGEST, clean, filename, is_plain

NAMES = {
    # RFC 6266, section 5, and the cases of RFC 8187
    "Attachment; filename=example.html": "example.html",
    'INLINE; FILENAME= "an example.html"': "an example.html",
    "attachment; filename*= UTF-8''%e2%82%ac%20rates": "€ rates",
    "attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates": "€ rates",
    "attachment; filename*=iso-8859-1'en'%A3%20rates": "£ rates",
    "attachment; filename*=utf-8'en'%C2%A3%20rates": "£ rates",
    # what is broken, as browsers read it
    "attachment; filename=an example.html": "an example.html",
    "attachment; filename=a.html; size=3": "a.html",
    'attachment; filename="open.html': "open.html",
    'attachment; filename="a\\"b.txt"': "a_b.txt",
    'attachment; filename="semi;colon.txt"': "semi;colon.txt",
    "attachment;;;filename=a.txt": "a.txt",
    "filename=a.txt": "a.txt",
    'attachment; foo="filename=wrong.txt"; filename=right.txt': "right.txt",
    "attachment; xfilename=wrong.txt; filename=right.txt": "right.txt",
    "attachment; filename=first.txt; filename=second.txt": "first.txt",
    "attachment; filename*=utf-16''%00a; filename=plain.txt": "plain.txt",
    "attachment; filename*=UTF-8''%ff%fe; filename=plain.txt": "plain.txt",
    "attachment; filename*=nonsense; filename=plain.txt": "plain.txt",
    'attachment; filename="na%C3%AFve.txt"': "naïve.txt",
    'attachment; filename="100%.txt"': "100%.txt",
    'attachment; filename="caf%E9.txt"': "caf%E9.txt",
    'attachment; filename="=?UTF-8?B?w7xiZXIudHh0?="': "über.txt",
    'attachment; filename="=?iso-8859-1?Q?=FCber_uns.txt?="': "über uns.txt",
    'attachment; filename="=?UTF-8?Q?=FF?="': "=_UTF-8_Q_=FF_=",
    'attachment; filename="\udcfcber.txt"': "über.txt",  # bytes that are no UTF-8, as aiohttp gives them
    'attachment; filename="u\u0308ber.txt"': "über.txt",
    'attachment; filename="東京.pdf"': "東京.pdf",
    # without a name: the URL has one
    "": "b.txt",
    "attachment": "b.txt",
    "attachment; filename=": "b.txt",
    'attachment; filename=""': "b.txt",
    "attachment; filename*0=a; filename*1=.txt": "b.txt",
    "=;=;;": "b.txt",
}

HOSTILE = {
    "../../x": "x",
    "..\\x": "x",
    "/abs": "abs",
    "/etc/passwd": "passwd",
    "C:\\Windows\\system32\\x.dll": "x.dll",
    "C:x.txt": "C_x.txt",
    "\\\\server\\share\\x": "x",
    "x.txt:stream": "x.txt_stream",
    "a/../../b": "b",
    "%2e%2e%2fx": "x",
    "..%5cx": "x",
    "\uff0e\uff0e\uff0fx": "x",
    "a\u2215b": "b",
    ".": "",
    "..": "",
    "...": "",
    "../": "",
    "..\\": "",
    " .. ": "",
    ".bashrc": "bashrc",
    "..ssh": "ssh",
    " . .hidden": "hidden",
    "a\x00b.txt": "ab.txt",
    "a.php\x00.jpg": "a.php.jpg",
    "a\nb.txt": "a b.txt",
    "a\x1b]0;t\x07.txt": "a]0;t.txt",
    "a\x9b31m.txt": "a31m.txt",
    "photo\u202egpj.exe": "photogpj.exe",
    "a\u2028b": "a b",
    "\ufeffx\u200b.txt": "x.txt",
    "CON": "_CON",
    "con.txt": "_con.txt",
    "NUL.tar.gz": "_NUL.tar.gz",
    "aux ": "_aux",
    "COM1": "_COM1",
    "lpt\u00b9.txt": "_lpt\u00b9.txt",
    "C\u200bON": "_CON",
    "CON .txt": "_CON .txt",
    "conin$": "_conin$",
    "name. . .": "name",
    'a<b>c|d?e*f"g': "a_b_c_d_e_f_g",
    "-rf": "_rf",
    "x" * 300 + ".txt": "x" * 146 + ".txt",
    "x" * 300 + ".tar.gz": "x" * 143 + ".tar.gz",
    "é" * 300 + ".pdf": "é" * 73 + ".pdf",
    "x." + "y" * 300: "x." + "y" * 148,
    "CON." + "y" * 300: "_CON." + "y" * 145,
    "\ud800x": "x",
    "/": "",
    "": "",
}


@pytest.mark.parametrize(("header", "name"), NAMES.items())
def test_the_header_is_read_as_browsers_read_it(header: str, name: str) -> None:
    assert filename(header, "http://a.example/a/b.txt", "text/plain") == name


@pytest.mark.parametrize(("given_name", "name"), HOSTILE.items())
def test_a_hostile_name_is_a_plain_one_or_none(given_name: str, name: str) -> None:
    decoded = given_name.replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\")
    assert clean(decoded) == name
    assert name == "" or is_plain(name)


@pytest.mark.parametrize(("given_name", "name"), HOSTILE.items())
def test_a_hostile_header_gives_that_name_or_the_url_s(given_name: str, name: str) -> None:
    escaped = given_name.replace("\\", "\\\\").replace('"', '\\"')
    header = f'attachment; filename="{escaped}"'
    assert filename(header, "http://a.example/safe.bin", "") == (name or "safe.bin")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://a.example", "index.html"),
        ("http://a.example/", "index.html"),
        ("http://a.example/books/", "index.html"),
        ("http://a.example/books", "books.html"),
        ("http://a.example/a%20b.pdf", "a b.pdf"),
        ("http://a.example/get.php?file=../../x", "get.php"),
        ("http://a.example/a?b=/c/d.txt#/e", "a.html"),
        ("http://a.example/%2e%2e%2f%2e%2e%2fx.txt", "x.txt"),
        ("http://a.example/..%5c..%5cx.txt", "x.txt"),
        ("http://a.example/%2e%2e%2f", "index.html"),
        ("http://a.example/%00", "index.html"),
        ("http://a.example/%ff.txt", "\ufffd.txt"),
        ("http://a.example/CON", "CON.html"),
        ("http://a.example/%252e%252e%252fx", "%2e%2e%2fx.html"),
        ("http://a.example/" + "x" * 3_000, "x" * 145 + ".html"),
        ("no url", "index.html"),
        ("", "index.html"),
    ],
)
def test_without_a_header_the_url_gives_the_name(url: str, name: str) -> None:
    expected = f"_{name}" if name == "CON.html" else name
    assert filename("", url, "text/html; charset=utf-8") == expected


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("", "a"),
        ("application/pdf", "a.pdf"),
        (" Application/PDF ; x=y", "a.pdf"),
        ("application/vnd.api+json", "a.json"),
        ("application/x-unheard-of", "a"),
        ("image/../../x", "a"),
        ("x/y+../../z", "a"),
    ],
)
def test_a_name_without_an_ending_gets_that_of_the_media_type(content_type: str, name: str) -> None:
    assert filename("", "http://a.example/a", content_type) == name


def test_every_ending_of_the_table_is_a_plain_one() -> None:
    assert [ending for ending in ENDINGS.values() if not is_plain(f"a{ending}")] == []


ODD = st.text(
    st.sampled_from("ab.. /\\:%2eEfF0;=\"'*-_\n\r\t\x00\x1b\x9b\u202e\u2028\u200b\u0308é\uff0f\ud800\udcfc東CONcom1$"),
    max_size=200,
)


@given(ODD, ODD, st.sampled_from(["", "attachment; filename=", 'x; filename="', "x; filename*=UTF-8''"]))
@settings(max_examples=300, deadline=None)
def test_whatever_a_server_says_the_name_is_plain(named: str, path: str, before: str) -> None:
    name = filename(before + named, "http://a.example/" + path, named)
    assert is_plain(name)
    assert 1 <= len(name.encode()) <= LONGEST
    assert name == unicodedata.normalize("NFC", name)
    assert not name.startswith((".", "-", " "))
    assert not name.endswith((".", " "))
    assert not set(name) & set('/\\:*?"<>|')
    assert {unicodedata.category(one) for one in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()


@pytest.mark.parametrize(
    "header",
    [
        "x; " * 300_000,
        'x; filename="' + '\\"' * 300_000,
        "x;" + " " * 600_000,
        "x; a" + "a" * 600_000,
        "x; filename=" + "%" * 600_000,
    ],
)
def test_a_long_header_takes_no_longer_than_its_begin(header: str) -> None:
    assert len(filename(header, "http://a.example/", "")) <= LONGEST


@pytest.mark.parametrize("name", ["books", "my_books", "my-books", "books.example", "two words", "Bücher", "a" * 150])
def test_ordinary_names_are_plain(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "CON", "a\x00", "a\u202eb", ".a", "a.", " a", "a" * 151, "u\u0308"]
)
def test_names_that_are_no_good_somewhere_are_not(name: str) -> None:
    assert not is_plain(name)
