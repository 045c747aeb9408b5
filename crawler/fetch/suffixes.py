"""The Public Suffix List, read when it is first needed: it takes 3 to 6 ms."""

from __future__ import annotations

import atexit
import pkgutil
from functools import lru_cache

from crawler.http.suffixes import LIST, PublicSuffixes


@lru_cache(maxsize=1)
def public_suffixes() -> PublicSuffixes:
    """The list that is installed with this package; one for the whole program.

    :raises OSError: the file is not there
    """
    atexit.register(public_suffixes.cache_clear)  # else its library may print of a leak when the program ends
    return PublicSuffixes(pkgutil.get_data("crawler.http", LIST) or b"")
