"""Reading a query: what is for the selector engine, and what is wanted of the elements that it finds. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from crawler.errors import SelectorError
from crawler.parse.chain import Chain, chain_of
from crawler.request import legible

ELEMENT, ATTR, TEXT, DEEP_TEXT = range(4)
"""The element itself, an attribute, the text directly in it, all text inside: in this order they stand in a document."""
_PSEUDO = re.compile(r"^(.*?)::(?:(text)|attr\(\s*([^\s()]+)\s*\))\s*$", re.DOTALL)


class Branch(NamedTuple):
    """One part of a query between top-level commas."""

    css: str
    """For Lexbor. Empty: the node that is asked, itself."""
    kind: int
    """What is wanted of the elements: ``ELEMENT``, ``ATTR``, ``TEXT`` or ``DEEP_TEXT``."""
    attr: str
    chains: tuple[Chain, ...] = ()
    """*css*, taken apart."""
    risk: int = 0
    """The highest of *chains*. 0: whatever the tree is, Lexbor finds them in no time."""


@lru_cache(maxsize=1024)
def compile_query(query: str) -> tuple[Branch, ...]:
    """A query as Lexbor can read it, and what is wanted of each element. Parts of one kind stay together.

    :raises SelectorError: a pseudo-element other than ``::text`` and ``::attr(name)``, or half a character
    """
    if legible(query) != query:
        raise SelectorError(f"the CSS query {query!r} has half a character in it")
    branches = [_branch(part, query) for part in _split(query)]
    if len({(branch.kind, branch.attr) for branch in branches}) == 1 and all(branch.css for branch in branches):
        branches = [branches[0]._replace(css=", ".join(branch.css for branch in branches))]
    return tuple(with_chains(branch) for branch in branches)


@lru_cache(maxsize=1024)
def with_chains(branch: Branch) -> Branch:
    """*branch*, its selector taken apart."""
    chains = tuple(chain_of(part) for part in _split(branch.css))
    return branch._replace(chains=chains, risk=max(chain.risk for chain in chains))


@lru_cache(maxsize=1024)
def divided(css: str) -> tuple[Branch, str] | None:
    """``a b c`` as ``a b`` and ``c``, if there is no more to it: a ``c`` somewhere in an ``a b``."""
    chains = with_chains(Branch(css, ELEMENT, "")).chains
    if len(chains) != 1:
        return None
    chain = chains[0]
    if len(chain.steps) < 2 or chain.steps[-1].relation != " " or any(chain.inner):
        return None
    outer = "".join(f" {step.relation} {step.css}" for step in chain.steps[:-1]).strip()
    return with_chains(Branch(outer, ELEMENT, "")), chain.steps[-1].css


def _branch(part: str, query: str) -> Branch:
    match = _PSEUDO.match(part)
    if match is None:
        if "::" in part:
            raise SelectorError(f"{part.strip()!r} in {query!r}: the pseudo-elements here are ::text and ::attr(name)")
        if not part.strip():
            raise SelectorError(f"the CSS query {query!r} is empty, or has an empty part")
        return Branch(part.strip(), ELEMENT, "")
    css, text, attr = match.groups()
    if css.endswith(" *") or css.strip() == "*":
        css = css[:-1]  # "div *::text" is "div ::text" to parsel
    if text is None:
        return Branch(_under(css) or "*", ATTR, attr)
    if css.rstrip().endswith((">", "+", "~")):
        return Branch(f"{css.strip()} *", TEXT, "")
    if not css.strip() or css != css.rstrip():  # "::text", "div ::text": all text inside, as parsel has it
        return Branch(css.strip(), DEEP_TEXT, "")
    return Branch(css.strip(), TEXT, "")


def _under(css: str) -> str:
    """``div ::attr(x)`` is about the elements inside the div, and itself, as parsel has it."""
    bare = css.strip()
    if bare.endswith((">", "+", "~")):
        return f"{bare} *"
    return f"{bare}, {bare} *" if bare and css != css.rstrip() else bare


def _split(query: str) -> list[str]:
    """The parts between top-level commas; those in brackets and strings are no separators."""
    parts, depth, quote, begin, index = [], 0, "", 0, 0
    while index < len(query):
        character = query[index]
        if character == "\\":
            index += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(query[begin:index])
            begin = index + 1
        index += 1
    return [*parts, query[begin:]]
