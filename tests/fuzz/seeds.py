"""Real input to begin with: every text that stands in the other tests, and what lies beside the checkout, if it does."""

from __future__ import annotations

import ast
import json
import tarfile
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
SHARED = TESTS.parents[1] / "shared"
_PAGES = 30


@cache
def texts_of(*patterns: str) -> list[str]:
    """The literals of those test files: addresses, headers, documents, right and wrong ones."""
    found: dict[str, None] = {}
    for pattern in patterns:
        files = sorted(TESTS.glob(pattern))
        assert files, pattern
        for file in files:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and node.value:
                    found[node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value] = None
    return list(found)


def octets_of(*patterns: str) -> list[bytes]:
    return [text.encode("utf-8", "surrogatepass") for text in texts_of(*patterns)]


@cache
def urls() -> list[str]:
    beside = SHARED / "conformance" / "whatwg-urls.json"
    rows = json.loads(beside.read_text("utf-8")) if beside.exists() else []
    return texts_of("urls/*.py", "parse/test_links.py") + [row["input"] for row in rows if isinstance(row, dict)]


@cache
def pages() -> list[bytes]:
    """The first 4 KB of real pages, where there are some, and the documents of the tests."""
    found = octets_of("parse/*.py")
    beside = SHARED / "pages" / "sites.tar.gz"
    if beside.exists():
        with tarfile.open(beside) as archive:
            files = [member for member in archive if member.isfile()]
            for member in files[:: max(1, len(files) // _PAGES)]:
                file = archive.extractfile(member)
                assert file is not None
                found.append(file.read(4_096))
    return found


def lines_of(name: str) -> list[str]:
    """The texts in a file of JSON lines."""
    found: list[str] = []
    for line in (TESTS / name).read_text("utf-8").splitlines():
        for value in json.loads(line):
            found += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return [text for text in found if text]
