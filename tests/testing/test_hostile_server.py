"""The hostile server as a server: it says what it should, to whom it should, and lets go."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import crawler
from crawler.errors import FetchError, ParseProcessError
from crawler.testing import server as serving
from crawler.testing.attack import ANYWHERE, STORED, TOO_HEAVY, Attack, Visit, answer
from crawler.testing.hostile import FAMILIES, Hostile, main
from crawler.testing.server import COMMAND, LABELS, AttackServer

ATTACKS = [attack for family in FAMILIES.values() for attack in family]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parents[1])}


async def said(url: str, wait: float = 5.0) -> bytes:
    """All that is answered until the server hangs up."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        async with asyncio.timeout(wait):
            return await reader.read()
    finally:
        writer.close()


async def _endless(visit: Visit) -> None:
    while True:
        await visit.send(b"x" * 65_536)


async def _tells_its_request(visit: Visit) -> None:
    await visit.send(answer(f"{visit.path} {visit.here} {visit.home}".encode()))


TABLE = {
    "some": (
        Attack("Plain & simple", answer(b"hello")),
        Attack("without end", _endless),
        Attack("its request", _tells_its_request),
        Attack("a robots.txt of its own", answer(b"Disallow: /"), place="/robots.txt"),
        Attack("alone", _tells_its_request, alone=True),
        Attack("silence", lambda visit: visit.until_gone(), place=ANYWHERE),
    )
}


# ----- the table ---------------------------------------------------------------------------------------------------


def test_there_are_many_attacks_and_each_has_a_name_and_a_path_of_its_own() -> None:
    assert len(ATTACKS) >= 80
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    for attacks in FAMILIES.values():
        assert len({serving.slug(attack.name) for attack in attacks}) == len(attacks)


def test_each_outcome_is_one_that_a_crawl_knows() -> None:
    kinds = [*_kinds(FetchError), *_kinds(ParseProcessError)]
    reasons = {STORED, "redirect", "callback_error", *(kind.reason for kind in kinds)}
    for attack in ATTACKS:
        assert attack.ends in reasons or re.fullmatch(r"http_\d{3}", attack.ends), attack.name


def _kinds(kind: Any) -> list[Any]:
    return [kind, *(found for child in kind.__subclasses__() for found in _kinds(child))]


def test_the_first_page_links_to_each_attack() -> None:
    with Hostile() as site:
        page = urllib.request.urlopen(site.root).read().decode()
        links = {unescape(name): unescape(url) for url, name in re.findall(r'<a href="([^"]*)">([^<]*)</a>', page)}
        assert links == {attack.name: site.url(attack.name) for attack in ATTACKS}


def test_families_can_be_chosen() -> None:
    with Hostile(["bombs"]) as site:
        assert site.url("gzip bomb").startswith(f"{site.root}bombs/")
        with pytest.raises(KeyError):
            site.url("a circle of two")


def test_an_unknown_family_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no family 'bomb' of attacks. There are: slow, bombs"):
        Hostile(["bomb"])


# ----- playing -----------------------------------------------------------------------------------------------------


async def test_an_attack_is_played_in_its_folder() -> None:
    async with AttackServer(TABLE) as site:
        assert site.url("Plain & simple") == f"{site.root}some/plain-simple/"
        assert (await said(site.url("Plain & simple"))).endswith(b"\r\n\r\nhello")
        told = (await said(site.url("its request") + "a/b?c")).partition(b"\r\n\r\n")[2].decode()
        assert told == f"a/b {site.url('its request')} {site.root}"


async def test_beside_the_attacks_there_is_an_ordinary_page_and_no_robots_txt() -> None:
    async with AttackServer(TABLE) as site:
        assert (await said(f"{site.root}page")).startswith(b"HTTP/1.1 200 OK")
        assert (await said(f"{site.root}robots.txt")).startswith(b"HTTP/1.1 404 ")
        assert (await said(f"{site.root}some/other/")).startswith(b"HTTP/1.1 404 ")


async def test_an_attack_at_a_place_has_a_server_of_its_own() -> None:
    async with AttackServer(TABLE) as site:
        url = site.url("a robots.txt of its own")
        assert urlsplit(url).port != urlsplit(site.root).port
        assert (await said(url)).endswith(b"<p>hello</p>")
        assert (await said(f"{url}robots.txt")).endswith(b"Disallow: /")


async def test_an_attack_alone_has_its_folder_at_a_server_of_its_own() -> None:
    async with AttackServer(TABLE) as site:
        url = site.url("alone")
        parts = urlsplit(url)
        assert (parts.port != urlsplit(site.root).port, parts.path) == (True, "/some/alone/")
        assert (await said(url + "a/b")).endswith(f"a/b {url} {site.root}".encode())
        assert (await said(url.replace("/some/alone/", "/robots.txt"))).startswith(b"HTTP/1.1 404 ")
        assert (await said(f"{site.root}some/alone/")).startswith(b"HTTP/1.1 404 ")


def test_no_attack_that_keeps_its_host_busy_shares_its_host() -> None:
    for attack in ATTACKS:
        if attack.ends in {"timeout", "connect", "disconnected", "http_503", TOO_HEAVY} or attack.linked == TOO_HEAVY:
            assert attack.alone or attack.place, attack.name


async def test_an_attack_anywhere_does_not_wait_for_a_request() -> None:
    async with AttackServer(TABLE) as site:
        with pytest.raises(TimeoutError):
            await said(site.url("silence"), wait=0.05)


async def test_nothing_is_played_to_those_who_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def endless(visit: Visit) -> None:
        try:
            await _endless(visit)
        finally:
            ended.set()

    async with AttackServer({"some": (Attack("without end", endless),)}) as site:
        with pytest.raises(TimeoutError):
            await said(site.url("without end"), wait=0.05)
        await asyncio.wait_for(ended.wait(), 5)


async def test_silence_ends_when_the_visitor_goes() -> None:
    ended = asyncio.Event()

    async def rest(visit: Visit) -> None:
        try:
            await visit.rest(1_000)
        finally:
            ended.set()

    async with AttackServer({"some": (Attack("rest", rest, place=ANYWHERE),)}) as site:
        parts = urlsplit(site.url("rest"))
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.close()
        await asyncio.wait_for(ended.wait(), 5)


async def test_nobody_is_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LONGEST", 0.05)
    async with AttackServer(TABLE) as site:
        assert await said(site.url("silence")) == b""
        assert await said(site.url("without end"))


async def test_closing_hangs_up_on_everybody() -> None:
    before = asyncio.all_tasks()
    async with AttackServer(TABLE) as site:
        talks = [asyncio.create_task(said(site.url(name))) for name in ("silence", "without end")]
        while len(site._talks) < 2:
            await asyncio.sleep(0)
    ends = await asyncio.gather(*talks, return_exceptions=True)
    assert all(isinstance(end, (bytes, ConnectionError)) for end in ends), ends
    assert asyncio.all_tasks() == before


async def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await Hostile(["terminal"], port).start()
        with pytest.raises(OSError, match="in use"), Hostile(["terminal"], port):
            pass


# ----- by hand -----------------------------------------------------------------------------------------------------


def test_it_is_served_from_a_terminal_until_ctrl_c() -> None:
    command = [sys.executable, "-m", "crawler.testing.hostile", "redirects", "bombs"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as running:
        assert running.stdout is not None
        root, labels, quick = (running.stdout.readline().strip() for _ in range(3))
        page = urllib.request.urlopen(root).read().decode()
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=20)
    assert ">gzip bomb</a>: body_too_large" in page
    assert "<h2>slow</h2>" not in page
    assert (running.returncode, out, errors) == (0, "", "")
    assert labels == LABELS
    assert COMMAND in quick
    assert LABELS in page
    assert COMMAND in page


@pytest.mark.parametrize("mistake", [["nonsense"], ["--port", "99999"], ["--port", "x"]])
def test_a_mistake_is_told_in_a_line(mistake: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(mistake)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_its_own_memory_is_bounded() -> None:
    command = [sys.executable, "-m", "crawler.testing.hostile"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as running:
        assert running.stdout is not None
        page = urllib.request.urlopen(running.stdout.readline().strip()).read().decode()
        links = {unescape(name): urlsplit(url) for url, name in re.findall(r'<a href="([^"]*)">([^<]*)</a>', page)}
        parts, chunked = links["an endless body"], links["an endless chunked body"]
        idle = _peak(running.pid)
        clients = [socket.create_connection((parts.hostname, parts.port)) for _ in range(10)]
        for client in clients:  # none of them reads
            client.sendall(b"GET /slow/an-endless-body/ HTTP/1.1\r\nHost: x\r\n\r\n")
        with socket.create_connection((chunked.hostname, chunked.port)) as reader:
            reader.sendall(b"GET /slow/an-endless-chunked-body/ HTTP/1.1\r\nHost: x\r\n\r\n")
            come = 0
            while come < 200_000_000:
                piece = reader.recv(1_000_000)
                assert piece
                come += len(piece)
        for client in clients:
            client.close()
        grown = _peak(running.pid) - idle
        running.terminate()
    assert grown < 16


def _peak(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split(None, 1)[0]) / 1024
