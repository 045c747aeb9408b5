"""Numbers and strange strings, as a person can read them; and the one way by which text gets to a person.

Rule 1: whatever a command says, it says with :func:`say`: nothing that a page holds steers the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime
from typing import Any, TextIO, cast

import click

from crawler.export.inert import inert, inert_but_coloured, inert_json, inert_line
from crawler.http.credentials import without_secret


def count(number: int, noun: str) -> str:
    """``1 page``, ``2,000 pages``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def bytes_in_words(number: float) -> str:
    """``17 B``, ``3.5 kB``, ``12 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:  # what is rounded up to 1000 has the next unit
            return f"{number:.0f} {unit}" if number >= 99.95 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def seconds_in_words(seconds: float) -> str:
    """``8.3 s``, ``2 min 05 s``, ``3 h 10 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(max(60, int(seconds)), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def printable(text: str) -> str:
    """*text* without what could steer a terminal or mislead a reader: control, format and bidi characters are escaped.
    The password of a URL is ``***``.
    """
    return inert(_without_secret(text))


def one_line(text: str) -> str:
    """The same for what is one line, whatever a server or an exception put into it."""
    return inert_line(_without_secret(text))


def say(text: str, *, err: bool = False) -> None:
    """Print *text*, and a line end, on standard output or standard error."""
    click.echo(printable(text), err=err)


def say_json(data: bytes) -> None:
    """Print a JSON text on standard output. On a terminal it is spelt without what steers it; the data is the same."""
    click.echo(inert_json(data) if sys.stdout.isatty() else data)


@contextmanager
def tamed(terminal: Any = None) -> Iterator[None]:  # Any: a rich Console, which is not loaded for this
    """Within it, what a spider prints (titles, mostly) does not steer the terminal, if it goes to one. Its colours stay.

    :param terminal: a rich Console, through which it then goes: it knows about a live line
    """
    with ExitStack() as stack:
        for stream, redirect in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            if stream is None or not stream.isatty():
                continue
            printed = Printed(_beside_live_line(terminal, stream) if terminal is not None else stream)
            stack.enter_context(redirect(cast(TextIO, printed)))
            stack.callback(printed.flush)
        yield


class Printed:
    """A terminal's stream, as spiders print to it."""

    def __init__(self, stream: Any) -> None:  # Any: whatever stands for it
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(inert_but_coloured(text))
        return len(text)

    def writelines(self, lines: Any) -> None:  # Any: as of any stream
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # Any: of the stream
        return getattr(self._stream, name)


def _beside_live_line(terminal: Any, stream: TextIO) -> Any:  # Any: rich's
    from rich.file_proxy import FileProxy

    return FileProxy(terminal, stream)


def _without_secret(text: str) -> str:
    return without_secret(text) if "@" in text else text


def when(moment: float) -> str:
    """A Unix time, on this machine's clock: ``2026-11-22 19:14``."""
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")
