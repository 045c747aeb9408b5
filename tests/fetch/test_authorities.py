"""The authorities of certificates are read late, and all the same."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificates

from crawler.fetch.authorities import LateContext, read_late

StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

FETCH = """
import sys
from crawler.assemble import HttpFetcher  # as a crawl imports it
from crawler.api import run_loop
from crawler.fetch.fetcher import FetchOptions
from crawler.request import Request
from aiohttp import connector

def unread():
    contexts = (connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED)
    return [len(context.unread) for context in contexts]

async def main():
    fetcher = HttpFetcher(FetchOptions(allow_private_hosts=True))
    print(unread())
    try:
        print((await fetcher.fetch(Request(sys.argv[1]))).status)
    except Exception as error:
        print(type(error).__name__)
    print(unread())
    await fetcher.close()

run_loop(main)
"""


def fetched(url: str, **environment: str) -> list[str]:
    """What a fresh process says: what was not read yet, the answer, and what is not read now."""
    ended = subprocess.run(
        [sys.executable, "-c", FETCH, url], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


async def test_a_crawl_over_plain_http_reads_none(raw_server: StartRaw) -> None:
    server = await raw_server(OK)
    assert await asyncio.to_thread(fetched, server.url) == ["[1, 1]", "200", "[1, 1]"]


async def test_the_first_tls_connection_is_verified_by_those_of_the_machine(
    raw_server: StartRaw, certificates: Certificates
) -> None:
    server = await raw_server(OK, tls=certificates.server())
    believed = await asyncio.to_thread(fetched, server.url, SSL_CERT_FILE=str(certificates.ca))
    assert believed == ["[1, 1]", "200", "[0, 1]"]
    assert await asyncio.to_thread(fetched, server.url) == ["[1, 1]", "TLSFailed", "[0, 1]"]


def late() -> LateContext:
    with read_late():
        context = ssl.create_default_context()
    assert isinstance(context, LateContext)
    return context


def connected(context: ssl.SSLContext) -> None:
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.example")


def socketed(context: ssl.SSLContext) -> None:

    with socket.socket() as plain:
        context.wrap_socket(plain, server_hostname="a.example", do_handshake_on_connect=False).close()


@pytest.mark.parametrize(
    "use", [connected, socketed, LateContext.cert_store_stats, LateContext.get_ca_certs], ids=lambda use: use.__name__
)
def test_whatever_is_asked_of_a_context_finds_them_read(use: Callable[[LateContext], object]) -> None:
    context = late()
    assert len(context.unread) == 1
    use(context)
    assert context.unread == []
    usual = ssl.create_default_context()
    assert ssl.SSLContext.cert_store_stats(context) == usual.cert_store_stats()
    assert (context.check_hostname, context.verify_mode) == (usual.check_hostname, usual.verify_mode)


def test_they_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = late()
    connected(context)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    before = context.get_ca_certs()
    connected(context)
    assert (context.unread, context.get_ca_certs()) == ([], before)


def test_the_standard_library_is_left_as_it_was() -> None:
    names = ("load_default_certs", "set_default_verify_paths")
    before = [getattr(ssl.SSLContext, name) for name in names]
    with pytest.raises(ZeroDivisionError), read_late():
        1 / 0
    assert [getattr(ssl.SSLContext, name) for name in names] == before
    assert type(ssl.create_default_context()) is ssl.SSLContext
