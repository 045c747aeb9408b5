"""Servers on loopback that datasets are sent to: one that speaks S3, one that takes PUT, one that says what it is told to."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

Answer = Callable[[BaseHTTPRequestHandler], None]
"""Plays one request."""


class S3:
    """moto's server, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                self.url = found[1]
                break
        else:
            raise RuntimeError("the S3 server did not start")
        self._drain = threading.Thread(target=self._process.stderr.read, daemon=True)  # it waits for no reader
        self._drain.start()

    def make_bucket(self, name: str) -> None:
        urlopen(Request(f"{self.url}/{name}", method="PUT", data=b"", headers=_SIGNED)).read()

    def read(self, bucket: str, key: str) -> bytes:
        body: bytes = urlopen(Request(f"{self.url}/{bucket}/{key}", headers=_SIGNED)).read()
        return body

    def keys(self, bucket: str) -> list[str]:
        body: str = urlopen(Request(f"{self.url}/{bucket}", headers=_SIGNED)).read().decode()
        return re.findall("<Key>(.*?)</Key>", body)

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Play *request* by asking the server itself."""
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        with urlopen(Request(self.url + request.path, body, headers, method=request.command)) as answer:
            reply(request, answer.status, answer.read(), ETag=answer.headers.get("ETag", ""))

    @property
    def env(self) -> dict[str, str]:
        return env_of(self.url)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._drain.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


_SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
}


def env_of(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-a-secret",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server that plays every request by *answer*; its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    def play(request: BaseHTTPRequestHandler) -> None:
        answer(request)  # which may be an object: only a function becomes a method

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", play)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **fields: str) -> None:
    request.send_response(status)
    for name, value in fields.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    return request.rfile.read(int(request.headers.get("Content-Length") or 0))


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
    request.connection.shutdown(socket.SHUT_RDWR)


class PutServer:
    """A folder on the web that takes PUT. The first *failures* uploads are cut off half-way, or answered with 503."""

    def __init__(self, failures: int = 0, *, hangs_up: bool = False) -> None:
        self.files: dict[str, bytes] = {}
        self.authorizations: list[str | None] = []
        self._failures = failures
        self._hangs_up = hangs_up

    def __call__(self, request: Any) -> None:
        self.authorizations.append(request.headers.get("Authorization"))
        if request.command == "PUT":
            self._put(request)
        elif request.path in self.files:
            reply(request, 200, self.files[request.path], Last_Modified="Tue, 01 Dec 2026 00:00:00 GMT")
        else:
            reply(request, 404)

    def _put(self, request: Any) -> None:
        self._failures -= 1
        if self._failures >= 0 and self._hangs_up:
            request.rfile.read(1000)
            hang_up(request)
            return
        body = body_of(request)
        if self._failures >= 0:
            reply(request, 503)
            return
        self.files[request.path] = body
        reply(request, 201)
