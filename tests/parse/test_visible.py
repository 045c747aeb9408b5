"""The text of a page that its reader came for."""

import pytest

from crawler.parse.page import Page
from crawler.parse.visible import visible_text
from crawler.response import Response, headers_of


def text_of(body: str, limit: int = 1_000) -> str:
    headers = headers_of({"Content-Type": "text/html; charset=utf-8"})
    return visible_text(Page(Response("http://a.test/", 200, headers, body.encode())).tree, limit)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>one</p><p>two</p>", "one two"),
        ("<p><b>un</b>seen <i>word</i></p>", "unseen word"),
        ("a<br>b", "a b"),
        ("<div>a<p>b</p>c</div>", "a b c"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", "1 2 3"),
        ("<ul><li>x<li>y</ul>", "x y"),
        ("  much \n\t white &nbsp; space ", "much white space"),
        ("<title>t</title><style>s</style><script>s</script><p>p<noscript>n</noscript>", "p"),
        ("<svg><text>drawn</text></svg><select><option>o</select><template><p>t</p></template>p", "p"),
        ("<nav>menu</nav><header>top</header>body<aside>beside</aside><footer>end</footer>", "body"),
        ("<nav>menu</nav><main>main<nav>inner</nav></main>rest", "main"),
        ("<div role=main>main</div>rest", "main"),
        ("<main></main>rest", "rest"),
        ("<nav>menu</nav><article><header>head</header>text</article>rest", "head text"),
        ("<article><header>one</header></article><article><footer>two</footer></article>", "one two"),
        ("<p hidden>h</p><p style='display: none'>n</p><p aria-hidden=true>a</p><p>seen", "seen"),
        ("<div hidden><p>deep <b>down</b></p></div>seen", "seen"),
        ("", ""),
    ],
)
def test_what_is_seen_is_text(body, text):
    assert text_of(body) == text


def test_a_text_has_a_bound():
    assert text_of("<p>word</p>" * 10_000, limit=12) == "word word wo"


def test_a_deep_page_is_read_in_one_go():
    assert text_of("<div>" * 5_000 + "x") == "x"
