"""The text of a page that its reader came for: what is seen, less menus and what frames the page."""

from __future__ import annotations

from crawler.parse.select import Element, Tree

_UNSEEN = frozenset(
    {
        "script", "style", "noscript", "template", "head", "title", "iframe", "object", "svg", "canvas", "audio",
        "video", "select", "datalist", "dialog", "math",
    }
)  # fmt: skip
"""Elements whose text nobody reads as text."""
_FRAMING = frozenset({"nav", "aside", "footer", "header"})
"""Elements that stand around the content. A header or footer inside of an article is that of the article."""
_INLINE = frozenset(
    {
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
        "kbd", "label", "mark", "q", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time",
        "tt", "u", "var", "wbr", "rb",
    }
)  # fmt: skip
"""Elements that a word may go through: ``<b>un</b>seen`` is one word. Around any other there is white space."""
_HIDDEN = "[hidden], [aria-hidden=true i], [style*='display:none' i], [style*='display: none' i]"
_MAIN = "main, [role=main]"


def visible_text(tree: Tree, limit: int) -> str:
    """The text of the page's ``<main>``, else of its only ``<article>``, else of its body without ``nav``, ``aside``, and
    the page's own ``header`` and ``footer``. Runs of white space are one space; *limit* characters at most.
    """
    main = tree.css_first(_MAIN)
    if main is None:
        articles = tree.tags("article")
        main = articles[0] if len(articles) == 1 else None
    if main is not None and (text := _text_of(main, tree, limit, frozenset({"nav", "aside"}))):
        return text
    return "" if tree.body is None else _text_of(tree.body, tree, limit, _FRAMING)


def _text_of(root: Element, tree: Tree, limit: int, framing: frozenset[str]) -> str:
    hidden = {element.mem_id for element in tree.css(_HIDDEN)}
    blocks: dict[int, int] = {root.mem_id: root.mem_id}  # an element -> the block that it is in, 0 if it is not seen
    articles: set[int] = set()
    pieces: list[str] = []
    last = room = 0
    for node in root.traverse(include_text=True):
        parent = node.parent
        block = 0 if parent is None else blocks.get(parent.mem_id, 0)
        if node.is_text_node:
            if block:
                text = node.text_content or ""
                pieces.append(text if block == last else f" {text}")
                last = block
                room += len(text)
                if room > 4 * limit:  # white space counts here: what is left is still enough for most
                    break
            continue
        identity, tag = node.mem_id, node.tag
        if identity == root.mem_id:
            continue
        is_seen = block and tag not in _UNSEEN and identity not in hidden
        if is_seen and tag in framing:
            is_seen = tag in ("header", "footer") and block in articles
        if tag == "article" or (parent is not None and block in articles):
            articles.add(identity)
        blocks[identity] = (block if tag in _INLINE else identity) if is_seen else 0
        if tag == "br":
            last = 0
    return " ".join("".join(pieces).split())[:limit].rstrip()
