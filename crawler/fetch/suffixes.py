"""The Public Suffix List, read when it is first needed: it takes 3 to 6 ms."""

from __future__ import annotations

import pkgutil
from functools import lru_cache

from crawler.http.suffixes import LIST, PublicSuffixes


@lru_cache(maxsize=1)
def public_suffixes() -> PublicSuffixes:
    """The list that is installed with this package; one for the whole program.

    :raises OSError: the file is not there
    """
    return PublicSuffixes(pkgutil.get_data("crawler.http", LIST) or b"")
