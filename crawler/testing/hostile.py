"""A server on 127.0.0.1 that attacks whoever crawls it, to test spiders against.

::

    async with Hostile() as site:
        site.root                 # a page with a link to every attack: point a spider at it
        site.url("gzip bomb")     # one of them

``with Hostile() as site`` does the same from a thread of its own, for tests that are not asynchronous.
``python -m crawler.testing.hostile`` serves it until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Self

from crawler.testing import bombs, charsets, heads, markup, redirects, slow, terminal, traps, xml
from crawler.testing.attack import Attack
from crawler.testing.server import COMMAND, LABELS, AttackServer

FAMILIES: Mapping[str, tuple[Attack, ...]] = {
    "slow": slow.ATTACKS,
    "bombs": bombs.ATTACKS,
    "heads": heads.ATTACKS,
    "redirects": redirects.ATTACKS,
    "charsets": charsets.ATTACKS,
    "xml": xml.ATTACKS,
    "terminal": terminal.ATTACKS,
    "markup": markup.ATTACKS,
    "traps": traps.ATTACKS,
}
"""Every attack, by family. Another one is a row of its family's table, another family a row here."""


class Hostile(AttackServer):
    """The server of the attacks of some families, or of all. It attacks inside of its ``with`` block."""

    def __init__(self, families: Iterable[str] = (), port: int = 0) -> None:
        """
        :param families: names of ``FAMILIES``; none means all
        :param port: of its page of links; 0 takes any free one
        :raises ValueError: there is no such family
        """
        wanted = list(families) or list(FAMILIES)
        if unknown := [name for name in wanted if name not in FAMILIES]:
            raise ValueError(f"there is no family {unknown[0]!r} of attacks. There are: {', '.join(FAMILIES)}")
        super().__init__({name: FAMILIES[name] for name in wanted}, port)
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trouble: Exception | None = None

    def __enter__(self) -> Self:
        """
        :raises OSError: the port is taken
        """
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="hostile", daemon=True)
        self._thread.start()
        ready.wait()
        if self._trouble is not None:
            self._thread.join()
            raise self._trouble
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self:
                ready.set()
                await self._stop.wait()
        except Exception as error:  # raised where the server was asked for
            self._trouble = error
        finally:
            ready.set()


_QUICK = f"Short limits make the crawl quick: {COMMAND}"


def main(argv: Sequence[str] | None = None) -> None:
    """Serve attacks on 127.0.0.1 until Ctrl-C. The page at the URL that is printed links to each of them."""
    parser = argparse.ArgumentParser(
        prog="python -m crawler.testing.hostile", description=main.__doc__, epilog=f"{LABELS} {_QUICK}"
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"some of: {', '.join(FAMILIES)} (default: all)")
    parser.add_argument("--port", type=int, default=0, help="of the page of links (default: any free one)")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is begun deaf to it
    try:
        with Hostile(options.families, options.port) as site, suppress(KeyboardInterrupt):
            print(site.root, LABELS, _QUICK, sep="\n", flush=True)
            threading.Event().wait()
    except (OSError, OverflowError, ValueError) as error:
        parser.error(f"cannot serve: {error}")


if __name__ == "__main__":
    main()
