"""What is found in the bytes of a document is never less than what its tree costs, and seldom much more."""

from __future__ import annotations

import random
import time

import pytest

from crawler.parse.weigh import LIGHT_BYTES, LIGHT_SECONDS, is_bearable, is_light, weight
from crawler.testing.markup import SHAPES

CELL = b"<td class='number'>1,234.00</td>"
COMMENT = b"<li><p>It is <b>so</b> <a href='/u/1'>said she</a><ul>"
HONEST = {
    "of text": b"<title>x</title><p>" + b"All happy families are alike; " * 60_000,
    "of paragraphs whose end tags are left out": b"<h1>x</h1>" + b"<p>one <em>two</em> three<br>\n" * 2_000,
    "of a table": b"<table>" + (b"<tr>" + CELL * 8 + b"</tr>\n") * 250 + b"</table>",
    "of a table whose end tags are left out": b"<table>" + (b"<tr>" + b"<td>1,234.00" * 8 + b"\n") * 500 + b"</table>",
    "of a list whose end tags are left out": b"<ul>" + b"<li><a href='/page'>a page</a>\n" * 2_500 + b"</ul>",
    "of a thread of 200 comments in each other": b"<ul>" + COMMENT * 200 + b"</ul></li>" * 200,
    "of one picture in itself": b"<img alt='it' src='data:image/png;base64," + b"iVBORw0KG" * 100_000 + b"'><p>x",
    "of scripts full of markup": b"<script>" + b'html += "<div><b class=x>" + i + "</b>"; ' * 4_000 + b"</script><p>x",
    "of drawings": b"<svg viewBox='0 0 9 9'><title>x</title><g><path d='M0 0'/></g></svg><p>x</p>" * 700,
    "of font elements": b"<p><font color=red size=2>one</font> <font color=blue>two</font></p>" * 1_000,
    "of a choice of countries": b"<select>" + b"<option value='x'>Somewhere</option>" * 250 + b"</select>",
    "of a document of several": b"<!DOCTYPE html><html lang=en><body class=x><p>one</p></body></html>" * 50,
}
NUMBERED = b"<p " + b" ".join(b"a%d" % number for number in range(30_000))
HIDDEN = {
    "by end tags that close nothing": b"<div></x>" * 20_000,
    "by end tags in comments": b"<div><!--</div>-->" * 10_000,
    "by end tags in comments that are none": b"<div><!x</div>" * 10_000 + b"<div>" * 9_000,
    "by end tags in processing instructions": b"<div><?</div>" * 10_000 + b"<div>" * 9_000,
    "by end tags in attributes": b"<div a='</div>'>" * 10_000,
    "by end tags in quoted attributes": b'<div a="></div>">' * 10_000,
    "by a quote that is none": b"<p a=b'c>" + b"<div>" * 15_000 + b"'>",
    "by a quote in a name": b'<p "a>' + b"<div>" * 15_000 + b'">',
    "by an equals sign in front": b'<p ="a>' + b"<div>" * 15_000 + b'">',
    "by end tags in titles": b"<div><title></div></title>" * 9_000,
    "by end tags in scripts": b"<div><script></div></script>" * 9_000,
    "by end tags in a script in a script": b"<div>" * 9_000
    + b"<script><!--<script></script>"
    + b"</div>" * 9_000
    + b"--></script>"
    + b"<p>" * 1_900,
    "by end tags in CDATA": b"<svg>" + b"<g><![CDATA[></g>]]>" * 9_900 + b"<desc>" + b"<p></x>" * 100,
    "by a script that is a drawing's": b"<svg><script>" + b"<g>" * 9_900 + b"</x>" * 9_900,
    "by rows that are none": (b"<tr>" + b"<i>" * 4 + b"</tr>") * 3_000 + b"</x>" * 900,
    "in capitals": b"<DIV>" * 19_000,
    "with slashes": b"<div/>" * 19_000,
    "by a comment that ends at once": b"<!-->" + b"<div>" * 19_000 + b"-->",
    "by attributes that hold markup": b"<p " + b"a='<i>' " * 4 + b">" + b"<div>" * 19_000,
    "in few bytes": b"".join(b"<b n%d><p>x" % number for number in range(1_600)),
    "in few tags": b"<p " + b"/".join(b"%x" % number for number in range(9_000)) + b">",
    "by quotes in attributes": b"<p " + b"".join(b"a%d='>'" % number for number in range(9_000)) + b">",
    "by quotes behind blanks in attributes": b"<p " + b"".join(b"a%d = '>'" % number for number in range(9_000)) + b">",
    "by tags in attributes": b"<p " + b"".join(b'a%d="<i>"b%d ' % (number, number) for number in range(4_000)) + b">",
    "by a quote behind what looks like one": b"<!--= '--><p c= '>' " + NUMBERED + b">",
    "in what a comment quotes": b"<!--<p a='-->" + NUMBERED + b"'>",
    "in what a title quotes": b"<title><p a='</title>" + NUMBERED + b"'>",
    "in a link that a comment quotes": b"<!--<b a='--><p><a "
    + b" ".join(b"%x" % number for number in range(1_500))
    + b"'>"
    + b"<p>x" * 1_500,
    "in formatting that a comment quotes": b"<!--<b a='-->"
    + b"".join(b"<b n%d><p>" % number for number in range(1_400))
    + b"'>",
    "in a copy of a copy": b"<select><button><selectedcontent></button><option>" + b"<p>x" * 8_000,
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_page_is_light(name: str) -> None:
    assert is_light(HONEST[name])


@pytest.mark.parametrize("name", SHAPES)
def test_a_bomb_is_neither_light_nor_bearable(name: str) -> None:
    document = SHAPES[name]()
    assert (is_light(document), is_bearable(document)) == (False, False)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_bomb_is_found_though_it_is_hidden(name: str) -> None:
    assert not is_light(HIDDEN[name])


def test_a_long_honest_page_is_bearable() -> None:
    document = HONEST["of a table"] * (2_500_000 // len(HONEST["of a table"]))
    assert not is_light(document)  # too long to be read here
    assert is_bearable(document)


@pytest.mark.parametrize("short", [b"", b"<", b"</", b"<!", b"<!--", b"<a", b"<a b", b"<a b='", b"<script>", b"\0"])
def test_whatever_a_document_ends_with_it_has_a_weight(short: bytes) -> None:
    assert is_light(short)
    assert weight(b"<p>x" * 10 + short).is_within(LIGHT_SECONDS, LIGHT_BYTES)


@pytest.mark.parametrize(
    "piece",
    [b"<", b"</", b"<a ", b"<a b='", b"<!--", b"<!-- --", b"<script>", b"<![CDATA[", b"=", b"<b a=>", b"</b>", b"<td>", b"<p/="],
)  # fmt: skip
def test_reading_takes_time_as_the_length_does(piece: bytes) -> None:
    def seconds(length: int) -> float:
        document = piece * (length // len(piece))
        took = []
        for _ in range(3):
            begin = time.process_time()
            weight(document, 1e9, 1 << 60)
            took.append(time.process_time() - begin)
        return min(took)

    assert seconds(200_000) < 4 * max(seconds(100_000), 0.01) + 0.05


def test_random_markup_is_read_to_its_end() -> None:
    dice = random.Random(7)
    pieces = [*(b"<%b>" % name for name in (b"b", b"td", b"table", b"svg", b"script", b"p", b"a x=1", b"object"))]
    pieces += [piece.replace(b"<", b"</") for piece in pieces] + [b"<!--", b"-->", b"x", b"'", b'"', b"=", b"<![CDATA["]
    for _ in range(100):
        document = b"".join(dice.choices(pieces, k=200))
        assert weight(document, may_hide=False).is_within(LIGHT_SECONDS, LIGHT_BYTES)


@pytest.mark.parametrize(
    "begin",
    [
        b'<svg></svg><title><b a="</title>',
        b'<select></select><title><b a="</title>',
        b'<frameset></frameset><title><b a="</title>',
        b'<script><!-- <b a="</script>',
        b'<script><!-- <script><b a="</script></script>',
        b"<svg></svg><title><!-- </title>",
        b'<svg><![CDATA[ <b a=" ]]>',
    ],
)
def test_what_one_way_of_reading_hides_is_not_light(begin: bytes) -> None:
    attributes = b"<p " + b" ".join(b"a%d" % number for number in range(30_000)) + b'">'
    clones = b"".join(b"<b n%d>" % number for number in range(2_000)) + b"<p>" * 2_000 + b'">'
    assert not is_light(begin + attributes)
    assert not is_light(begin + clones)


@pytest.mark.parametrize("piece", [b'<a b="', b"<p x='<p x=\"", b"<b <b "])
def test_tags_in_tags_are_not_read_again_and_again(piece: bytes) -> None:
    document = piece * (4_000 // piece.count(b"<"))

    def seconds(padding: int) -> float:
        begin = time.process_time()
        is_light(document + b"x" * padding)
        return time.process_time() - begin

    assert seconds(400_000) < 4 * seconds(200_000) + 0.1
