"""A site on a loopback port: a thread per connection, and a function from a request to its answer.

Rule 1: an answer leaves in one write, so that nothing waits for a delayed acknowledgement.
Rule 2: closing hangs up on everybody; no thread and no socket is left.
"""

import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Self
from urllib.parse import parse_qsl

LONGEST_FORM = 64 * 1024
"""Bytes of a form that is read; a longer one counts as empty."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gives, after *delay* seconds; the server adds Content-Length and Date."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, as a site sees it."""

    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    read_form: Callable[[], Mapping[str, str]] = dict
    """Reads the urlencoded fields that were sent. Call it once. A body that nobody reads ends the connection."""


class Site(ABC):
    """Open on 127.0.0.1 during the ``with`` block. Subclasses say how it answers, from many threads at once.

    :raises OSError: on entering, if *port* is taken; 0 means any free one
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.url = ""
        """``http://127.0.0.1:PORT/``, once the site is open."""

    @abstractmethod
    def answer(self, visit: Visit) -> Answer:
        """What *visit* gives."""

    def __enter__(self) -> Self:
        self._server = _Server(self._port, self.answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        # 0.05 s between two looks at whether to stop (not 0.5): closing is not felt.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def stay_open(self) -> None:
        """Print the address, and serve until Ctrl-C.

        :raises OSError: the port is taken
        :raises OverflowError: it is no port
        """
        with self, suppress(KeyboardInterrupt):
            print(self.url, flush=True)
            threading.Event().wait()


class _Server(ThreadingHTTPServer):
    """The standard library's thread per connection, but closing it ends the open connections too."""

    daemon_threads = True
    request_queue_size = 1024  # not 5: a crawler connects in bursts, and a dropped SYN costs it a second

    def __init__(self, port: int, answer: Callable[[Visit], Answer]) -> None:
        self.answer = answer
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", port), _Reception)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's asks DNS for the host's name: seconds, without internet
        self.server_name, self.server_port = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, Any]:  # Any: typeshed's word for an address
        connection, address = super().get_request()
        with self._changed:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def server_close(self) -> None:
        """Stop listening, wake the slow page, hang up on idle clients; return when every socket is closed."""
        super().server_close()
        self.closing.set()
        with self._changed:
            for connection in self._open:
                with suppress(OSError):  # the client hung up first
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, timeout=5.0)  # 5 s: a bound, never reached

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """A client that went away is nobody's error; the rest is printed, as the standard library does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Reception(BaseHTTPRequestHandler):
    """Hands each request to the site, and writes its answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _is_read: bool

    def do_GET(self) -> None:
        self._is_read = "Content-Length" not in self.headers and "Transfer-Encoding" not in self.headers
        path, _, query = self.path.partition("?")
        answer = self.server.answer(Visit(self.command, path, _fields(query), self._cookies(), self._form))
        self.server.closing.wait(answer.delay)
        self._send(answer)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _cookies(self) -> Mapping[str, str]:
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("Cookie", "")).items()}
        except CookieError:
            return {}

    def _form(self) -> Mapping[str, str]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST_FORM or "Transfer-Encoding" in self.headers:
            return {}
        self._is_read = True
        return _fields(self.rfile.read(int(length)).decode("utf-8", "replace"))

    def _send(self, answer: Answer) -> None:
        headers = {**answer.headers, "Content-Length": str(len(answer.body)), "Date": self.date_time_string()}
        if not self._is_read:
            self.close_connection = True  # a body that nobody read would be taken for the next request
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {answer.status:d} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        self.wfile.write(head if self.command == "HEAD" else head + answer.body)

    def log_message(self, *_: object) -> None:
        """The terminal belongs to the crawl."""


def _fields(text: str) -> dict[str, str]:
    """The first value of each name in *text*; none of a text with more than 100."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return {}
    return dict(reversed(pairs))
