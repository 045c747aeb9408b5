"""Certificates: which are believed, and which are shown."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificates

from crawler.errors import ConfigError, FetchError, TLSFailed
from crawler.fetch import connect
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def status(fetcher: HttpFetcher, url: str) -> int:
    return (await fetcher.fetch(Request(url))).status


async def test_an_authority_of_one_s_own_is_believed_if_it_is_named(
    raw_server: StartRaw, open_fetcher: OpenFetcher, certificates: Certificates
) -> None:
    server = await raw_server(OK, tls=certificates.server())
    assert await status(open_fetcher(ca_file=str(certificates.ca)), server.url) == 200
    with pytest.raises(TLSFailed):
        await status(open_fetcher(), server.url)


def test_it_is_believed_beside_those_of_the_system(certificates: Certificates) -> None:
    from crawler.fetch.fetcher import FetchOptions

    context = connect.tls_of(FetchOptions(ca_file=str(certificates.ca)))
    assert isinstance(context, ssl.SSLContext)
    there = ssl.create_default_context().cert_store_stats()["x509_ca"]
    assert context.cert_store_stats()["x509_ca"] == there + 1
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


@pytest.mark.parametrize(
    ("name", "alternative", "expired", "said"),
    [
        ("expired", "IP:127.0.0.1", True, "expired"),
        ("elsewhere", "DNS:elsewhere.example", False, "not valid for"),
        ("otherip", "IP:127.0.0.2", False, "not valid for"),
    ],
)
async def test_a_certificate_that_is_not_in_order_is_a_failure_of_tls(
    raw_server: StartRaw,
    open_fetcher: OpenFetcher,
    certificates: Certificates,
    name: str,
    alternative: str,
    expired: bool,
    said: str,
) -> None:
    server = await raw_server(OK, tls=certificates.server(name, alternative, expired=expired))
    with pytest.raises(TLSFailed, match=said) as caught:
        await status(open_fetcher(ca_file=str(certificates.ca)), server.url)
    assert (caught.value.reason, caught.value.retryable) == ("tls", False)
    assert server.requests == []
    assert await status(open_fetcher(verify_tls=False), server.url) == 200


async def test_a_server_that_asks_for_a_certificate_is_shown_one(
    raw_server: StartRaw, open_fetcher: OpenFetcher, certificates: Certificates
) -> None:
    server = await raw_server(OK, tls=certificates.server(asks=True))
    certificate, key = certificates.pair("client")
    shows = {"client_certificate": str(certificate), "client_key": str(key)}
    assert await status(open_fetcher(ca_file=str(certificates.ca), **shows), server.url) == 200
    assert await status(open_fetcher(verify_tls=False, **shows), server.url) == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_without_one_that_server_says_nothing(
    open_fetcher: OpenFetcher, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    tls = certificates.server(asks=True)
    tls.maximum_version = version
    with blocking_server(tls) as url:
        error = await failure(open_fetcher(ca_file=str(certificates.ca)), url)
    # since TLS 1.3 the refusal comes after the handshake; asyncio's own loop may lose it, uvloop does not
    assert error.reason in (("tls",) if version == ssl.TLSVersion.TLSv1_2 else ("tls", "disconnected"))


async def failure(fetcher: HttpFetcher, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(Request(url))
    return caught.value


@contextmanager
def blocking_server(tls: ssl.SSLContext) -> Iterator[str]:
    """Tells why it refuses, as servers do: one of asyncio's closes the connection before it has said it."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError), tls.wrap_socket(connection, server_side=True) as talk:
                talk.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


async def test_certificate_and_key_may_be_in_one_file(
    raw_server: StartRaw, open_fetcher: OpenFetcher, certificates: Certificates, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(file.read_bytes() for file in certificates.pair("client")))
    server = await raw_server(OK, tls=certificates.server(asks=True))
    assert await status(open_fetcher(ca_file=str(certificates.ca), client_certificate=str(both)), server.url) == 200


async def test_what_holds_for_one_host_holds_for_no_other(
    raw_server: StartRaw, open_fetcher: OpenFetcher, certificates: Certificates
) -> None:
    server = await raw_server(OK, tls=certificates.server("two", "IP:127.0.0.1,DNS:two.localhost"))
    fetcher = open_fetcher(hosts={"two.localhost": {"verify_tls": False}})
    assert await status(fetcher, f"https://two.localhost:{server.port}/") == 200
    with pytest.raises(TLSFailed):
        await status(fetcher, server.url)
    strict = open_fetcher(verify_tls=False, hosts={"two.localhost": {"verify_tls": True}})
    assert await status(strict, server.url) == 200
    with pytest.raises(TLSFailed):
        await status(strict, f"https://two.localhost:{server.port}/")


async def test_one_set_of_files_is_read_once(
    open_fetcher: OpenFetcher, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crawler.fetch import route

    made = []

    def counting(options: Any) -> Any:
        made.append(options)
        return connect.tls_of(options)

    monkeypatch.setattr(route, "tls_of", counting)
    hosts = {f"{number}.example": {"timeout": float(number)} for number in range(1, 50)}
    open_fetcher(ca_file=str(certificates.ca), hosts={**hosts, "x.example": {"verify_tls": False}})
    assert len(made) == 2


def bad(certificates: Certificates, folder: Path, case: str) -> dict[str, str]:
    certificate, key = (str(file) for file in certificates.pair("client"))
    other = str(certificates.pair("server")[1])
    text = folder / "text.pem"
    text.write_text("this is no certificate")
    locked = folder / "locked.key"
    words = f"openssl pkey -in {key} -aes128 -passout pass:secret -out {locked}"
    subprocess.run(words.split(), check=True, capture_output=True)
    missing = str(folder / "missing.pem")
    return {
        "no such authority": {"ca_file": missing},
        "an authority that is none": {"ca_file": str(text)},
        "a folder": {"ca_file": str(folder)},
        "no such certificate": {"client_certificate": missing},
        "a certificate that is none": {"client_certificate": str(text)},
        "no such key": {"client_certificate": certificate, "client_key": missing},
        "a certificate without its key": {"client_certificate": certificate},
        "another's key": {"client_certificate": certificate, "client_key": other},
        "a key with a password": {"client_certificate": certificate, "client_key": str(locked)},
        "a key of nothing": {"client_key": key},
    }[case]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no such authority", r"^ca_file = '.*missing\.pem': No such file"),
        ("an authority that is none", r"^ca_file = '.*text\.pem': it holds no PEM certificates$"),
        ("a folder", r"^ca_file = "),
        ("no such certificate", r"^client_certificate = '.*missing\.pem': No such file"),
        ("a certificate that is none", r"^client_certificate = '.*text\.pem': it holds no certificate with its key"),
        ("no such key", r"^client_key = '.*missing\.pem': No such file"),
        ("a certificate without its key", r"^client_certificate = '.*': it holds no certificate with its key"),
        ("another's key", r"^client_certificate = .*, client_key = .*: the key belongs to another certificate$"),
        ("a key with a password", r"client_key = .*locked\.key': the key has a password"),
        ("a key of nothing", r"^client_key = .*: set client_certificate, too$"),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_before_anything_is_asked(
    open_fetcher: OpenFetcher, certificates: Certificates, tmp_path: Path, case: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        open_fetcher(**bad(certificates, tmp_path, case))
    with pytest.raises(ConfigError, match=said):
        open_fetcher(hosts={"a.example": bad(certificates, tmp_path, case)})


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
async def test_a_file_that_may_not_be_read(open_fetcher: OpenFetcher, certificates: Certificates) -> None:
    certificates.ca.chmod(0)
    try:
        with pytest.raises(ConfigError, match="Permission denied"):
            open_fetcher(ca_file=str(certificates.ca))
    finally:
        certificates.ca.chmod(0o600)
