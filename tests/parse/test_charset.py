from __future__ import annotations

import pytest
import webencodings
from hypothesis import given
from hypothesis import strategies as st

from crawler.parse.charset import decode, encoding_of
from crawler.parse.prescan import declared_in_meta, scan

HTML = "text/html"

SAMPLES = {
    "windows-1251": (
        "Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация южных губерний даст мощный "
        "толчок подъёму сельского хозяйства."
    ),
    "koi8-r": (
        "Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация южных губерний даст мощный "
        "толчок подъёму сельского хозяйства."
    ),
    "ibm866": (
        "Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация южных губерний даст мощный "
        "толчок подъёму сельского хозяйства."
    ),
    "windows-1252": "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë au delà des îles.",
    "windows-1250": "Příliš žluťoučký kůň úpěl ďábelské ódy. Nechť již hříšné saxofony ďáblů rozezvučí síň úděsnými tóny.",
    "windows-1253": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Γαζίες και μυρτιές δεν θα βρω πια στο χρυσαφί ξέφωτο.",
    "windows-1254": "Pijamalı hasta yağız şoföre çabucak güvendi. Öküz ajandaya dokuz gün önce çıkmış değildi, İstanbul.",
    "windows-1255": "דג סקרן שט בים מאוכזב ולפתע מצא חברה. עטלף אבק נס דרך מזגן שהתפוצץ כי חם.",
    "windows-1256": "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق.",
    "windows-1257": "Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą. Glāžšķūņa rūķīši dzērumā čiepj.",
    "windows-1258": None,  # Vietnamese is written with combining marks there; see below
    "windows-874": "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน จงฝ่าฟันพัฒนาวิชาการ",
    "shift_jis": "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ 有為の奥山 今日越えて 浅き夢見じ 酔ひもせず カタカナも",
    "euc-jp": "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ 有為の奥山 今日越えて 浅き夢見じ 酔ひもせず カタカナも",
    "iso-2022-jp": "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ 有為の奥山 今日越えて",
    "euc-kr": "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. 다람쥐 헌 쳇바퀴에 타고파.",
    "gbk": "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。寒来暑往，秋收冬藏。我们的网站提供最新的新闻。",
    "big5": "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。寒來暑往，秋收冬藏。我們的網站提供最新的新聞。",
}
LEGACY = {name: text for name, text in SAMPLES.items() if text is not None}

ORDER = [
    ("bom before header", b"\xef\xbb\xbf<p>\xc3\xa9", "text/html; charset=windows-1251", "utf-8"),
    ("utf-16 bom, big endian", b"\xfe\xff\x00<", "text/html; charset=utf-8", "utf-16be"),
    ("utf-16 bom, little endian", b"\xff\xfe<\x00", "", "utf-16le"),
    ("header before meta", b"<meta charset=koi8-r>\xe9", "text/html; charset=windows-1251", "windows-1251"),
    ("meta before valid utf-8", b"<meta charset=koi8-r>\xc3\xa9", HTML, "koi8-r"),
    ("valid utf-8 before guessing", "<p>naïve".encode(), HTML, "utf-8"),
    ("ascii", b"<p>plain", HTML, "utf-8"),
    ("nothing", b"", "", "utf-8"),
    ("a guess", LEGACY["koi8-r"].encode("koi8-r"), HTML, "koi8-u"),  # a superset of koi8-r
]


@pytest.mark.parametrize(
    ("body", "content_type", "expected"), [row[1:] for row in ORDER], ids=[row[0] for row in ORDER]
)
def test_the_encoding_is_found_by_bom_header_meta_utf8_and_guess_in_that_order(
    body: bytes, content_type: str, expected: str
) -> None:
    assert encoding_of(body, content_type) == expected


HEADERS = [
    ("text/html; charset=ISO-8859-1", "windows-1252"),
    ("text/html;charset=utf8", "utf-8"),
    ('text/html; charset="windows-1251"; x=y', "windows-1251"),
    ("text/html; Charset = big5", "big5"),
    ("text/html; charset=gb2312", "gbk"),
    ("text/html; charset=utf-16", "utf-16le"),  # a header may say so, a meta may not
]


@pytest.mark.parametrize(("content_type", "expected"), HEADERS)
def test_labels_in_headers_mean_what_the_standard_says(content_type: str, expected: str) -> None:
    assert encoding_of(b"<p>\xe9", content_type) == expected


@pytest.mark.parametrize(
    "label",
    [
        "idna",
        "undefined",
        "zlib",
        "rot13",
        "punycode",
        "utf-7",
        "unicode_escape",
        "hex",
        "base64",
        "no-such",
        "utf\udcff8",
    ],
)
def test_labels_that_the_standard_does_not_know_count_as_absent(label: str) -> None:
    assert encoding_of("<p>naïve".encode(), f"text/html; charset={label}") == "utf-8"


def test_a_meta_with_an_unknown_label_lets_the_next_one_speak() -> None:
    assert encoding_of(b"<meta charset=rot13><meta charset=koi8-r>\xc1", HTML) == "koi8-r"


METAS = [
    ("attribute", b"<meta charset='koi8-r'>", "koi8-r"),
    ("unquoted", b"<meta charset=koi8-r>", "koi8-r"),
    ("self-closing", b"<meta charset=koi8-r/>", "koi8-r"),
    ("upper case", b'<META CHARSET="KOI8-R">', "koi8-r"),
    ("spaces", b'<meta charset = " koi8-r ">', "koi8-r"),
    ("slash", b"<meta/charset=koi8-r>", "koi8-r"),
    ("http-equiv", b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
    ("http-equiv, turned round", b"<meta content='text/html;charset=koi8-r' http-equiv=content-type>", "koi8-r"),
    ("two attributes of one name", b"<meta charset=koi8-r charset=big5>", "koi8-r"),
    ("utf-16 cannot be", b"<meta charset=utf-16>", "utf-8"),
    ("utf-16be cannot be", b"<meta charset=utf-16be>", "utf-8"),
    ("x-user-defined", b"<meta charset=x-user-defined>", "windows-1252"),
]


@pytest.mark.parametrize(("meta", "expected"), [row[1:] for row in METAS], ids=[row[0] for row in METAS])
def test_a_meta_names_the_encoding(meta: bytes, expected: str) -> None:
    assert encoding_of(b"<html><head>" + meta + b"</head>\xc1\xd2", HTML) == expected


NO_METAS = [
    ("in a comment", b"<!-- <meta charset=koi8-r> -->"),
    ("in a comment that never ends", b"<!-- <meta charset=koi8-r>"),
    ("past the first 1024 bytes", b" " * 1024 + b"<meta charset=koi8-r>"),
    ("cut by the 1024th byte", b" " * 1004 + b"<meta charset=koi8-r>"),
    ("another element", b"<metadata charset=koi8-r>"),
    ("a description", b'<meta name="description" content="how to write charset=koi8-r">'),
    ("another attribute", b"<meta data-charset=koi8-r>"),
    ("http-equiv without a charset", b'<meta http-equiv="content-type" content="text/html">'),
    ("http-equiv without content", b'<meta http-equiv="content-type">'),
    ("another http-equiv", b'<meta http-equiv="refresh" content="0; charset=koi8-r">'),
]


@pytest.mark.parametrize("html", [row[1] for row in NO_METAS], ids=[row[0] for row in NO_METAS])
def test_what_only_looks_like_a_declaration_is_none(html: bytes) -> None:
    assert encoding_of(html + b"<p>" + "naïve".encode(), HTML) == "utf-8"


def test_a_meta_after_a_comment_counts() -> None:
    assert encoding_of(b"<!-- a > b --><meta charset=koi8-r>", HTML) == "koi8-r"


@pytest.mark.parametrize("name", LEGACY)
def test_undeclared_legacy_text_is_read_right(name: str) -> None:
    text = LEGACY[name]
    codec = webencodings.lookup(name).codec_info
    body = codec.encode(text, "strict")[0]
    if name == "iso-2022-jp":  # seven bits: it is valid UTF-8, too, and has to say its name
        assert decode(body, encoding_of(body, "text/html; charset=iso-2022-jp")) == text
    else:
        assert decode(body, encoding_of(body, HTML)) == text


@pytest.mark.parametrize("name", LEGACY)
def test_declared_legacy_text_is_read_right(name: str) -> None:
    text = LEGACY[name]
    body = f"<meta charset={name}>".encode() + webencodings.lookup(name).codec_info.encode(text, "strict")[0]
    assert decode(body, encoding_of(body)) == f"<meta charset={name}>{text}"


def test_every_label_of_the_standard_decodes_any_bytes() -> None:
    everything = bytes(range(256)) * 2
    for label in webencodings.LABELS:
        assert isinstance(decode(everything, label), str)


def test_a_few_western_letters_are_windows_1252() -> None:
    body = b"<p>caf\xe9 cr\xe8me, \x93quoted\x94 for 5 \x80"
    assert encoding_of(body, HTML) == "windows-1252"
    assert decode(body, "windows-1252") == "<p>café crème, “quoted” for 5 €"


def test_text_in_a_long_page_is_guessed_from_its_beginning() -> None:
    body = LEGACY["windows-1251"].encode("windows-1251") * 1000
    assert encoding_of(body, HTML) == "windows-1251"


def test_what_cannot_be_decoded_becomes_replacement_characters() -> None:
    cut = "naïve – 日本".encode()[:-1]
    assert decode(cut, "utf-8") == "naïve – 日\ufffd"
    assert decode("日本".encode("shift_jis")[:-1], "shift_jis") == "日\ufffd"
    assert decode(b"\x00a\x00", "utf-16be") == "a\ufffd"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode(b"\xef\xbb\xbfa", "utf-8") == "a"
    assert decode("\ufeffa".encode("utf-16-be"), "utf-16be") == "a"
    assert decode("\ufeffa".encode("utf-16-le"), "utf-16le") == "a"


def test_an_unknown_encoding_decodes_as_utf_8() -> None:
    assert decode("é".encode(), "rot13") == "é"


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("shift_jis", b"\x87\x40", "①"),
        ("euc-jp", b"\xad\xa1", "①"),
        ("gbk", b"\xa2\xe3", "€"),
        ("gb2312", b"\x81\x30\x84\x36", "¥"),
        ("euc-kr", b"\x8c\x63", "똠"),
        ("big5", b"\xf9\xd6", "碁"),
        ("iso-8859-1", b"\x80", "€"),
        ("iso-8859-9", b"\x80", "€"),
    ],
)
def test_encodings_are_as_wide_as_browsers_read_them(name: str, body: bytes, expected: str) -> None:
    assert decode(body, name) == expected


@given(st.binary(max_size=2000), st.text(max_size=60))
def test_no_body_and_no_header_raises(body: bytes, content_type: str) -> None:
    assert isinstance(decode(body, encoding_of(body, content_type)), str)


@given(st.text(max_size=300).filter(lambda text: not text.startswith("\ufeff")))
def test_utf_8_comes_back_as_it_was_written(text: str) -> None:
    assert decode(text.encode(), encoding_of(b"\xef\xbb\xbf" + text.encode())) == text


FRAGMENTS = [
    b"<meta charset=utf-8>",
    b"<!--",
    b"-->",
    b'<meta name=description content="charset=x">',
    b'<META http-equiv="Content-Type" content="text/html; charset=iso-8859-2">',
    b"<title>charset</title>",
    b"<a data-charset=gbk>",
    b"<metacharset=gbk>",
    b"<meta",
    b">",
    b'<meta\ncharset="gbk"/>',
    b'"',
    b'<p title="<">',
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8).map(b"".join))
def test_the_short_cut_to_a_declaration_finds_what_the_whole_search_finds(head: bytes) -> None:
    assert scan(head, label_of) == declared_in_meta(head, label_of)


def label_of(label: str) -> str | None:
    found = webencodings.lookup(label)
    return None if found is None else found.name
