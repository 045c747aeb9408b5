"""What a document says of its own encoding, and the labels and encodings that there are."""

from __future__ import annotations

import encodings.aliases
import pkgutil

import pytest
import webencodings

from crawler.parse.charset import charset_of, decode, encoding_of

NINE, NONE = "windows-1254", "utf-8"
"""What ISO-8859-9 means to browsers; and what is found for ASCII that declares nothing."""

DECLARED: list[tuple[str, str]] = [
    ("", NONE),
    ('<meta charset="ISO-8859-1">', "windows-1252"),
    ('<meta charset="ISO-8859-9">', NINE),
    ("<meta charset='ISO-8859-9'>", NINE),
    ("<meta charset=ISO-8859-9>", NINE),
    ("<meta\ncharset=ISO-8859-9>", NINE),
    ("<metacharset=ISO-8859-9>", NONE),
    ('<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-9">', NINE),
    ('<meta content="text/html; charset=ISO-8859-9" http-equiv="Content-Type">', NINE),
    ('<meta http-equiv="Content-Type content="text/html; charset=ISO-8859-9">', NONE),
    ('<meta http-equiv="Content-Style-Type" content="text/html; charset=ISO-8859-9">', NONE),
    ('<meta content="text/html; charset=ISO-8859-9" name="Content-Style-Type">', NONE),
    ('<meta charset="\nISO-8859-9\n">', NINE),
    ("<meta charset=\nISO-8859-9\n>", NINE),
    ('<meta charset="ISO-8859-9>\n<p>"</p>', NONE),
    ('<meta charset=ISO-8859-9">\n<p>"</p>', NONE),
    ('<meta " charset=ISO-8859-9>\n<p>"</p>', NINE),
    ('<meta test" charset=ISO-8859-9>\n<p>"</p>', NINE),
    ('<meta test=" charset=ISO-8859-9>\n<p>"</p>', NONE),
    ("<meta test=\"' charset=ISO-8859-9>\n<p>\"'</p>", NONE),
    ("<meta test='\" charset=ISO-8859-9>\n<p>'\"</p>", NONE),
    ('<meta test="" charset=ISO-8859-9>', NINE),
    ('<meta test=x" charset=ISO-8859-9>\n<p>"</p>', NINE),
    ('<head></head><p title="x>\n<meta test=x" charset=ISO-8859-9>\n<p>"</p>', NONE),
    ('<head></head><p title="x>\n<meta test=x charset=ISO-8859-9>\n<p>"</p>', NONE),
    ('<head></head><p title="x>\n<meta charset=ISO-8859-9>\n<p>"</p>', NONE),
    ('<head></head><p title="x>">\n<meta charset=ISO-8859-9>\n<p>"</p>', NINE),
    ('<meta charset="ISO-8859-1">\n<meta charset="ISO-8859-9">', "windows-1252"),
    ('<meta charset="ISO-8859-9">\n<meta charset="ISO-8859-1">', NINE),
    ('<!--<meta charset="ISO-8859-1">-->\n<meta charset="ISO-8859-9">', NINE),
    ('<!--<meta charset="ISO-8859-9">-->\n<meta charset="ISO-8859-1">', "windows-1252"),
    ('<!--><meta charset="ISO-8859-9">-->', NINE),
    ('<!---><meta charset="ISO-8859-9">-->', NINE),
    ("<script>document.write('<meta charset=\"ISO-8859-' + '9\">')</script>", NONE),
    ("<script>document.write('<meta charset=\"ISO-8859-9\">')</script>", NINE),
    ('<script type="text/plain"><meta charset="ISO-8859-9"></script>', NINE),
    ('<style type="text/plain"><meta charset="ISO-8859-9"></style>', NINE),
    ('<p><meta charset="ISO-8859-9"></p>', NINE),
    ('<meta charset="bogus">\n<meta charset="ISO-8859-9">', NINE),
    ('<title>x & y "z</title>\n<meta charset="ISO-8859-9">', NINE),
    ('<!-- <title>x</title> --><meta charset="ISO-8859-9">', NINE),
    ('<!-- <title>x</title><meta charset="ISO-8859-9"> -->', NONE),
    ('<!--<title>--><meta charset="ISO-8859-9">', NINE),
    ('<p title="<title>x</title><meta charset=ISO-8859-9>">', NONE),
    ("<meta", NONE),
    ("<", NONE),
    ("<!", NONE),
    ('<meta charset = "', NONE),
    ("<meta charset=euc-jp", NONE),
    ("<meta <meta charset='euc-jp'>", "euc-jp"),
    ("<meta       charset    =     'euc-jp'>", "euc-jp"),
    ('<!-- -->\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">', "utf-8"),
    ('<!-- -->\n<meta http-equiv="Content-Type" content="text/html; charset=koi8-r', NONE),
    ('<meta http-equiv="Content-Type<meta charset="koi8-r">', NONE),
    ('<meta http-equiv="Content-Type" content="text/html; charset=\'koi8-r\'">', "koi8-r"),
    ('<meta http-equiv="Content-Type" content="charset charset = koi8-r;x">', "koi8-r"),
    ('<meta charset="UTF-16">', "utf-8"),
    ('<meta charset="UTF-16LE">', "utf-8"),
    ('<meta charset="UTF-16BE">', "utf-8"),
    ('<html a=ñ>\n<meta charset="koi8-r">', "koi8-r"),
    ('<html ñ>\n<meta charset="koi8-r">', "koi8-r"),
    ('<html>ñ\n<meta charset="koi8-r">', "koi8-r"),
    ('<!doctype html "><meta charset=big5><x ">\n<meta charset="koi8-r">', "big5"),
    ('</p title="><meta charset=big5>"><meta charset="koi8-r">', "koi8-r"),
    ("<? > <meta charset=koi8-r> ?>", "koi8-r"),
    ("< meta charset=koi8-r>", NONE),
    ("<1><meta charset=koi8-r>", "koi8-r"),
]
"""By the prescan of the HTML Standard; many of the cases are html5lib's."""


@pytest.mark.parametrize(("html", "encoding"), DECLARED)
def test_a_declaration_is_found_as_browsers_find_it(html: str, encoding: str) -> None:
    assert encoding_of(f"<!DOCTYPE HTML>\n{html}".encode(), "text/html") == encoding


LENIENT = ['<meta http-equiv="Content-Type "', "<meta", '<meta http-equiv="Content-Type>"', '<meta name="Content-Type"']
"""Where html5lib's old cases expected a content without its http-equiv to count; the Standard has it otherwise."""


@pytest.mark.parametrize("tag", LENIENT)
def test_a_content_without_content_type_says_nothing(tag: str) -> None:
    assert encoding_of(f'{tag} content="text/html; charset=ISO-8859-9">'.encode(), "text/html") == NONE


@pytest.mark.parametrize("length", [511, 512, 990])
def test_a_declaration_counts_within_1024_bytes(length: int) -> None:
    comment = f"<!-- {'x' * length} -->"
    assert encoding_of(f"{comment}<meta charset=koi8-r>".encode(), "text/html") == "koi8-r"
    assert encoding_of(f"{comment}{' ' * 600}<meta charset=koi8-r>".encode(), "text/html") == NONE


XML = [
    ('<?xml version="1.0" encoding="koi8-r"?><meta charset="big5">', "koi8-r", "big5"),
    ("<?xml version='1.0' encoding='koi8-r'?><a/>", "koi8-r", "koi8-r"),
    ('<?xml version="1.0" encoding = "koi8-r" ?><a/>', "koi8-r", "koi8-r"),
    ('<?xml version="1.0" encoding="utf-16"?><a/>', "utf-8", "utf-8"),
    ('<?xml version="1.0" encoding="bogus"?><a/>', "utf-8", "utf-8"),
    ('<?xml version="1.0" encoding="koi8 -r"?><a/>', "utf-8", "utf-8"),
    ('<?xml version="1.0"?><a encoding="koi8-r"/>', "utf-8", "utf-8"),
    (' <?xml version="1.0" encoding="koi8-r"?><a/>', "utf-8", "utf-8"),
    ('<a/><meta charset="big5">', "utf-8", "big5"),
]


@pytest.mark.parametrize(("text", "in_xml", "in_html"), XML)
def test_xml_declares_its_encoding_in_the_first_line(text: str, in_xml: str, in_html: str) -> None:
    read = [encoding_of(text.encode(), kind) for kind in ("application/rss+xml", "text/xml; x=y", "text/html")]
    assert read == [in_xml, in_xml, in_html]


CONTENT_TYPES = [
    ("text/html; charset=utf-8", "utf-8"),
    ('text/html;charset="utf-8"', "utf-8"),
    ("text/html; CHARSET=utf-8 ; a=b", "utf-8"),
    ("text/html; charset = utf-8", "utf-8"),
    ("text/html; charset='utf-8'", "utf-8"),
    ("text/html; charset=koi8-r; charset=utf-8", "koi8-r"),
    ("text/html; charset=; charset=utf-8", "utf-8"),
    ('text/html; a="b; charset=big5"; charset=utf-8', "utf-8"),
    ('text/html; charset="ut\\f-8', "utf-8"),
    ('text/html; charset="utf-8" junk', "utf-8"),
    (";charset=utf-8", "utf-8"),
    ("text/html; xcharset=utf-8", ""),
    ("text/html, charset=utf-8", ""),
    ("charset=utf-8", ""),
    ("", ""),
]


@pytest.mark.parametrize(("content_type", "charset"), CONTENT_TYPES)
def test_the_charset_of_a_header_is_its_first_one(content_type: str, charset: str) -> None:
    assert charset_of(content_type) == charset


# Labels.


def test_all_228_labels_of_the_standard_are_known_in_whatever_case() -> None:
    unknown = [
        label
        for label, name in webencodings.LABELS.items()
        for spelling in (label, f" {label.upper()}\t")
        if encoding_of(b"\xe9", f"text/html; charset={spelling}") != name
    ]
    assert (len(webencodings.LABELS), unknown) == (228, [])


def test_every_other_codec_of_python_is_refused() -> None:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    names = modules | set(encodings.aliases.aliases) | set(encodings.aliases.aliases.values())
    spelled = {spelling for name in names for spelling in (name, name.replace("_", "-"))} - set(webencodings.LABELS)
    taken = {name for name in spelled if encoding_of(b"<p>\xc3\xa9", f"text/html; charset={name}") != "utf-8"}
    assert ({"idna", "punycode", "zlib_codec", "rot13", "utf_7", "unicode_escape", "undefined"} <= spelled, taken) == (
        True,
        set(),
    )


# Decoding.


@pytest.mark.parametrize("name", ["windows-1250", "windows-1252", "windows-1253", "windows-1257", "windows-874"])
def test_bytes_without_a_character_are_the_control_characters_of_their_number(name: str) -> None:
    read = decode(bytes(range(0x80, 0xA0)), name)
    undefined = [index for index, character in enumerate(read) if character == chr(0x80 + index)]
    assert ("\ufffd" not in read, len(undefined) >= 2) == (True, True)


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("windows-1252", b"\x81\x8d\x8f\x90\x9d", "\x81\x8d\x8f\x90\x9d"),
        ("windows-1253", b"\xaa\xd2\xff", "\ufffd\ufffd\ufffd"),
        ("windows-1255", b"\xca\xd9", "\u05ba\ufffd"),
        ("windows-874", b"\xdb\x99", "\ufffd\x99"),
        ("koi8-u", b"\xae\xbe\xa4", "ўЎє"),
        ("iso-8859-8-i", b"\xf9\xec\xe5\xed", "שלום"),
        ("iso-8859-1", b"\x80\x81", "€\x81"),
        ("macintosh", b"\xdb", "€"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("utf-16", b"a\0b\0", "ab"),
        ("utf-16be", b"\0a\0b", "ab"),
        ("gbk", b"\x80a\xff\xa2\xe3", "€a\ufffd€"),
        ("gb18030", b"5\x80", "5€"),
        ("iso-2022-kr", b"<script>", "\ufffd"),
        ("hz-gb-2312", b"~{", "\ufffd"),
        ("iso-2022-cn", b"", ""),
    ],
)
def test_text_is_decoded_as_the_encoding_standard_has_it(name: str, body: bytes, text: str) -> None:
    assert decode(body, name) == text
