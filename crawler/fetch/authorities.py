"""aiohttp, imported without reading the machine's certificate authorities: a TLS context reads them for its first connection.

aiohttp makes two contexts as it is imported, and each reads all of them (140 on Debian). That is two fifths of the
instructions of ``import aiohttp``, and of its time some 25 ms each. A crawl needs one of them at most, and one over plain
HTTP none. What is read in the end is what the standard library would have read, by whoever uses the context.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_READING = Lock()
"""Two crawls, in two threads, share aiohttp's contexts: neither may connect before the other has read."""


class LateContext(ssl.SSLContext):
    """A context whose authorities are read when it is asked for its first connection."""

    unread: list[Callable[[ssl.SSLContext], None]]

    def read(self) -> None:
        """Read what is not read yet: some 25 ms, once."""
        with _READING:
            unread, self.unread = self.unread, []
            for load in unread:
                load(self)

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:  # Any: the standard library's own
        self.read()
        return super().wrap_bio(*given, **named)

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:  # Any: as above
        self.read()
        return super().wrap_socket(*given, **named)

    def cert_store_stats(self) -> dict[str, int]:
        self.read()
        return super().cert_store_stats()

    def get_ca_certs(self, *given: Any) -> Any:  # Any: as above
        self.read()
        return super().get_ca_certs(*given)


@contextmanager
def read_late() -> Iterator[None]:
    """Contexts that are told meanwhile to read the machine's authorities do it late."""
    context, names = ssl.SSLContext, ("load_default_certs", "set_default_verify_paths")
    own = {name: vars(context)[name] for name in names if name in vars(context)}
    for name in names:
        setattr(context, name, _late(getattr(context, name)))
    try:
        yield
    finally:
        for name in names:
            if name in own:
                setattr(context, name, own[name])
            else:  # inherited
                delattr(context, name)


def _late(load: Callable[..., None]) -> Callable[..., None]:
    def noted(context: ssl.SSLContext, *given: Any) -> None:  # Any: what is read of them
        if not isinstance(context, LateContext):
            context.__class__ = LateContext
            assert isinstance(context, LateContext)
            context.unread = []
        context.unread.append(lambda own: load(own, *given))

    return noted


if "aiohttp.connector" not in sys.modules:
    with read_late():
        import aiohttp.connector  # noqa: F401 (for its contexts)
