"""Cases that others wrote, where they lie beside the checkout."""

import json
from pathlib import Path
from typing import Any

import pytest

from crawler.urls.canonical import canonical
from crawler.urls.url import Base, address

FOLDER = Path(__file__).parents[3] / "shared" / "conformance"


def cases(name: str) -> Any:
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"the conformance cases {name} are not beside this checkout")
    return json.loads(file.read_text("utf-8"))


def test_every_whatwg_url_is_read_as_browsers_read_it() -> None:
    rows = [case for case in cases("whatwg-urls.json") if isinstance(case, dict)]
    wrong = []
    for case in rows:
        href = None if case.get("failure") else case["href"]
        followed = href if href is not None and href.startswith(("http:", "https:")) else None
        base = Base(case["base"] or "")
        read = (base.resolve(case["input"]), base.join(case["input"]))
        if read != (href, followed):
            wrong.append((case["input"], case["base"], read, href))
    assert (len(rows), wrong) == (891, [])


def test_every_whatwg_url_has_the_parts_of_the_standard() -> None:
    rows = [case for case in cases("whatwg-urls.json") if isinstance(case, dict) and not case.get("failure")]
    rows = [case for case in rows if case["protocol"] in ("http:", "https:")]
    expected = [
        (case["href"].partition("#")[0], case["host"], case["hostname"], case.get("origin", "?")) for case in rows
    ]
    found = [address(case["href"]) for case in rows]
    read = [
        (*part[:3], part[3] if "origin" in case else "?") if part is not None else None
        for part, case in zip(found, rows, strict=True)
    ]
    assert read == expected


def test_numbers_are_the_addresses_that_browsers_make_of_them() -> None:
    """A row without an address is a name, or no host at all."""
    rows = cases("funky_ipv4.json")
    read = {number: address(f"http://{number}/") for number in rows}
    addresses = {
        number: found.hostname if found is not None and _is_ipv4(found.hostname) else None
        for number, found in read.items()
    }
    assert (len(rows), addresses) == (47, rows)


def _is_ipv4(hostname: str) -> bool:
    return hostname.count(".") == 3 and hostname.replace(".", "").isdigit()


DEVIATIONS = {
    "Without a scheme it is a path, not a host.": [
        "%20leadingspace.com/",
        "www.google.com",
        "www.google.com/",
    ],
    "Browsers refuse such a host; so it is never asked for.": [
        "http:%/",
        "http:/%/",
        "http:// leadingspace.com/",
        "http://%/",
        "http://%20leadingspace.com/",
        "http://09/",
        "http://\x01\x80.com/",
        "http://host%23.com/%257Ea%2521b%2540c%2523d%2524e%25f%255E00%252611%252A22%252833%252944_55%252B",
    ],
    "Browsers take a host of dots as it stands; urlcanon makes it an address.": [
        "http:%2e%2e%2e/a/b",
        "http:%2e%2e/a/b",
        "http:%2e/a/b",
        "http:/%2e%2e%2e/a/b",
        "http:/%2e%2e/a/b",
        "http:/%2e/a/b",
        "http://%2e%2e%2e/a/b",
        "http://%2e%2e/a/b",
        "http://%2e/a/b",
        "http:///%2e%2e%2e/a/b",
        "http:///%2e%2e/a/b",
        "http:///%2e/a/b",
    ],
    "Who logs in may see another page: user and password stay.": [
        "http://%25DOMAIN:foobar@foodomain.com/",
        "http://:b@www.example.com",
        "http://@:@@host/a/b",
        "http://@@host/a/b",
        "http://@ho@st/a/b",
        "http://a:@www.example.com",
        "http://a:b@www.example.com",
        "http://www.@pple.com",
        "http:/:b@www.example.com",
        "http:/a:@www.example.com",
        "http:/a:b@www.example.com",
        "http::b@www.example.com",
        "http:a:@www.example.com",
        "http:a:b@www.example.com",
        "https://test:@test",
    ],
    "RFC 3986, section 2.2: an escaped character that is reserved may mean something else than the bare one.": [
        "http://example.com/%3A%3a%3C%3c",
        "http://example.com/%7Ffp3%3Eju%3Dduvgw%3Dd",
        "http://example.com/(%28:%3A%29)",
        "http://example.com/@asdf%40",
        "http://facebook.com/?foo=%7B%22abc%22",
    ],
    "Two slashes in a row are left as they are: to many servers they name another page.": [
        "http://example.com////../..",
        "http://example.com\\\\foo\\\\bar",
        "http://host.com//twoslashes?more//slashes",
    ],
    "An empty query is no query, and names are sorted as they are escaped.": [
        "http://example.com/?%26=%26&%26",
        "http://example.com/?%3d=%3d&%3d",
        "http://www.google.com/q?",
    ],
    "Bytes that are no UTF-8 reach us as the characters that they were read as.": [
        "http://example.com/foo\t\x91%91",
    ],
    "Unescaping goes on until nothing is left there; %2561 and %61 are two names to a server, and one round keeps it so.": [
        "http://host/%%%25%32%35asd%%",
        "http://host/%%300",
        "http://host/%%36%31",
        "http://host/%25%2536%2531",
        "http://host/%25%25361",
        "http://host/%25%32%35",
        "http://host/%25%32%35%25%32%35",
        "http://host/%2525252525252525",
        "http://host/%2561",
        "http://host/?%%300",
        "http://host/?%%36%31",
        "http://host/?%25%2536%2531",
        "http://host/?%25%25361",
        "http://host/?%2561",
        "http://host/asdf%25%32%35asd",
    ],
    "Dots at the end of a host are part of its name.": [
        "http://www.google.com.../",
    ],
}
"""Where our canonical form is another one than urlcanon's, and why."""


def test_canonical_forms_are_urlcanon_s_but_for_the_deviations_with_a_reason() -> None:
    """Compared as far as a crawl goes: what is no http URL is none, and a fragment is never sent."""
    rows = cases("canonicalization.json")
    deviating = []
    for raw, expected in rows.items():
        followed = expected.partition("#")[0] if expected.startswith(("http:", "https:")) else None
        target = address(_meant(raw))
        if (canonical(target.href) if target is not None else None) != followed:
            deviating.append(raw)
    assert (len(rows), sorted(deviating)) == (280, sorted(url for urls in DEVIATIONS.values() for url in urls))


def _meant(raw: str) -> str:
    """The rows hold bytes, each as the character of its number."""
    try:
        return raw.encode("latin-1").decode()
    except UnicodeError:
        return raw
