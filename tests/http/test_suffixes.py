from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

from crawler.fetch.suffixes import public_suffixes
from crawler.http.suffixes import LIST, PublicSuffixes
from crawler.urls.url import address

FACTS = [
    line.split()
    for line in (Path(__file__).parent / "public_suffixes.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]


def test_no_fact_is_missing() -> None:
    assert len(FACTS) == 77  # and one that has no host name


@pytest.mark.parametrize(("hostname", "expected"), FACTS)
def test_the_facts_of_the_list_hold(hostname: str, expected: str) -> None:
    """As a URL has the name: in lower case and punycode."""
    target, wanted = address(f"http://{hostname}/"), address(f"http://{expected}/")
    name = target.hostname if target is not None else hostname
    registrable = wanted.hostname if expected != "-" and wanted is not None else None
    assert public_suffixes().registrable(name) == registrable


OTHERS = [
    ("", "", None),
    ("127.0.0.1", "", None),
    ("1.2.3", "", None),
    ("[::1]", "", None),
    ("localhost", "localhost", None),
    ("a.localhost", "localhost", "a.localhost"),
    ("local", "local", None),
    ("b.example.local", "local", "example.local"),
    ("github.io", "github.io", None),
    ("a.me.github.io", "github.io", "me.github.io"),
    ("compute.amazonaws.com", "com", "amazonaws.com"),
    ("a_b.example.co.uk", "co.uk", "example.co.uk"),
    ("www.example.com.", "com.", "example.com."),
    ("a..com", "", None),
    ("a b.com", "", None),
    ("example.com:80", "", None),
    ("\udcff.com", "", None),
]


@pytest.mark.parametrize(("hostname", "suffix", "registrable"), OTHERS)
def test_a_name_has_a_suffix_and_a_site_or_neither(hostname: str, suffix: str, registrable: str | None) -> None:
    suffixes = public_suffixes()
    assert (suffixes.suffix(hostname), suffixes.registrable(hostname)) == (suffix, registrable)


def test_the_list_is_read_once() -> None:
    assert public_suffixes() is public_suffixes()


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(ValueError, match="install this package anew"):
        PublicSuffixes(b"")


def test_any_list_can_be_asked() -> None:
    suffixes = PublicSuffixes(b"// ours\ntest\nshop.test\n*.wild.test\n!own.wild.test\n")
    names = ["a.b.test", "a.shop.test", "shop.test", "a.b.wild.test", "b.wild.test", "x.own.wild.test", "a.b.c"]
    expected = ["b.test", "a.shop.test", None, "a.b.wild.test", None, "own.wild.test", "b.c"]
    assert [suffixes.registrable(name) for name in names] == expected


def test_the_list_is_the_published_one_with_its_licence() -> None:
    data = pkgutil.get_data("crawler.http", LIST) or b""
    assert b"Mozilla Public" in data.split(b"\n", 1)[0]
    assert b"\n// VERSION: 20" in data
