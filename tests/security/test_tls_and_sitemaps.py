"""What a server may be taken for, and what a list of pages may do."""

from __future__ import annotations

import gzip
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificates
from witness import Witness, to

import crawler
from crawler.errors import FetchError, TLSFailed
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

StartWitness = Callable[..., Awaitable[Witness]]
OpenFetcher = Callable[..., HttpFetcher]
TWO = "DNS:one.localhost,DNS:two.localhost"


# ----- TLS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "trusted"),
    [("self-signed", False), ("an unknown authority", False), ("expired", True), ("another host", True), ("old", True)],
)
async def test_by_default_no_server_is_taken_for_another(
    witness: StartWitness, open_fetcher: OpenFetcher, certificates: Certificates, case: str, trusted: bool
) -> None:
    tls = {
        "expired": lambda: certificates.server("expired", "IP:127.0.0.1", expired=True),
        "another host": lambda: certificates.server("elsewhere", "DNS:elsewhere.example"),
    }.get(case, lambda: certificates.server("server"))()
    if case == "self-signed":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificates.ca, certificates.folder / "ca.key")
    if case == "old":
        tls.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
            tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1
    server = await witness(tls=tls)
    fetcher = open_fetcher(**({"ca_file": str(certificates.ca)} if trusted else {}))
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(Request(server.origin(), headers={"X-Api-Key": "s3cret"}))
    reasons = ("tls", "connect") if case == "old" else ("tls",)  # asyncio's server hangs up without a word
    assert caught.value.reason in reasons
    assert not str(caught.value).startswith("no connection to 127.0.0.1:  ")
    assert server.seen == []


async def test_two_hosts_of_one_address_never_share_a_connection(
    witness: StartWitness, open_fetcher: OpenFetcher, certificates: Certificates
) -> None:
    """Whose certificate was seen is asked for each of them, also of one who names the other in a Host header."""
    names: list[str | None] = []
    tls = certificates.server("two-of-one", TWO)
    tls.sni_callback = lambda _, name, __: names.append(name)
    server = await witness(tls=tls)
    fetcher = open_fetcher(ca_file=str(certificates.ca))
    for host in ("one", "two", "one", "two"):
        await fetcher.fetch(Request(server.origin(f"{host}.localhost")))
    await fetcher.fetch(Request(server.origin("one.localhost"), headers={"Host": f"two.localhost:{server.port}"}))
    assert names == ["one.localhost", "two.localhost"]
    assert server.connections == 2
    with pytest.raises(TLSFailed):
        await fetcher.fetch(Request(server.origin("three.localhost"), headers={"Host": "one.localhost"}))


async def test_what_was_not_verified_for_one_host_is_not_used_for_another(
    witness: StartWitness, open_fetcher: OpenFetcher, certificates: Certificates
) -> None:
    """A kept connection that nobody verified does not serve the same host when it is to be verified."""
    server = await witness(tls=certificates.server("two-of-one", TWO))
    lax = open_fetcher(verify_tls=False, hosts={"two.localhost": {"verify_tls": True}})
    assert (await lax.fetch(Request(server.origin("one.localhost")))).status == 200
    with pytest.raises(TLSFailed):
        await lax.fetch(Request(server.origin("two.localhost")))
    assert {seen.host for seen in server.seen} == {"one.localhost"}


async def test_a_way_back_to_http_takes_nothing_along(witness: StartWitness, certificates: Certificates) -> None:
    """It is followed, for half of the web would be lost else; but with no cookie that is Secure, and no header."""
    plain = await witness()
    secure = await witness(
        lambda seen: to(
            f"{plain.origin('one.localhost')}/plain", "Set-Cookie: id=s3cret; Secure", "Set-Cookie: lang=de"
        ),
        certificates.server("two-of-one", TWO),
    )

    class Reader(crawler.Spider):
        name = "reader"

        async def start(self) -> Any:
            headers = {"Authorization": "s3cret", "Referer": "https://one.localhost/s3cret"}
            yield Request(f"{secure.origin('one.localhost')}/?s3cret", headers=headers)

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}

    settings = {"delay": 0.0, "obey_robots": False, "ca_file": str(certificates.ca)}
    run = crawler.crawl(Reader, settings=settings)
    assert [item async for item in run] == [{"url": f"{plain.origin('one.localhost')}/plain"}]
    [seen] = plain.seen
    assert (seen.values("referer"), seen.values("cookie")) == ([], ["lang=de"])
    assert b"s3cret" not in seen.raw


# ----- sitemaps: a whole crawl, in a process of its own ------------------------------------------------------------

CANARY = "the canary sings"
SPIDER = """
from crawler import Request, Spider

class Maps(Spider):
    name = "maps"
    sitemaps = ["{site}map/" + name for name in {names!r}]

    def sitemap_entry(self, entry):
        return Request(entry.url) if "/keep/" in entry.url else None

    def parse(self, page):
        yield {{"path": page.url.partition("/keep/")[2]}}
"""
RUNNER = """
import json, sys
from pathlib import Path
from crawler.cli.main import run

def kib(name):
    return int(Path("/proc/self/status").read_text().partition(name)[2].split(None, 1)[0])

small = run(["small.py", "-q", "-o", "small.jsonl"])
before = kib("VmHWM:")
code = run(["maps.py", "-o", "maps.jsonl", "--set", "retries=0"])
print(json.dumps([small, code, (kib("VmHWM:") - before) / 1024]))
"""


def maps(canary: Path, bait: str, site: str) -> dict[str, tuple[bytes, list[str]]]:
    """Each sitemap, and the pages of it that must be found."""

    def urlset(*names: str, before: str = "", after: str = "") -> str:
        urls = "".join(f"<url><loc>{site}{'x' if name.isdigit() else 'keep'}/{name}</loc></url>" for name in names)
        return f'<?xml version="1.0"?>{before}<urlset>{urls}{after}</urlset>'

    laughs = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    xxe = f'<!ENTITY x SYSTEM "file://{canary}"><!ENTITY y SYSTEM "{bait}"><!ENTITY % z SYSTEM "{bait}z">%z;'
    kib = b"<!--" + b"x" * 1017 + b"-->"
    return {
        "good": (urlset("good").encode(), ["good"]),
        "utf-16": (urlset("utf-16").encode("utf-16"), ["utf-16"]),
        "utf-16-be": (urlset("utf-16-be").encode("utf-16-be"), ["utf-16-be"]),
        "laughs": (urlset(before=f"<!DOCTYPE l [{laughs}]>", after="<url><loc>&i;</loc></url>").encode(), []),
        "xxe": (urlset(before=f"<!DOCTYPE l [{xxe}]>", after=f"<url><loc>{site}keep/&x;&y;</loc></url>").encode(), []),
        "dtd": (urlset("dtd", before=f'<!DOCTYPE l SYSTEM "{bait}dtd">').encode(), ["dtd"]),
        "bomb": (gzip.compress(urlset("bomb")[:-9].encode()) + gzip.compress(kib * 1024) * 1024, ["bomb"]),
        "50mb.gz": (gzip.compress(urlset("fifty")[:-9].encode() + kib * 50_000 + b"</urlset>", 1), ["fifty"]),
        "many": (urlset(*(f"{n}" for n in range(49_998)), "last", "but-one", "past").encode(), ["last", "but-one"]),
        "cut": (urlset("cut", after="<url><loc>").encode()[:-9], ["cut"]),
        "files": (urlset("files", after=f"<url><loc>file://{canary}#/keep/</loc></url>").encode(), ["files"]),
        "loop": (
            f"<sitemapindex><sitemap><loc>{site}map/loop</loc></sitemap><sitemap><loc>{site}map/pool</loc></sitemap>"
            f"<sitemap><loc>{site}map/end</loc></sitemap></sitemapindex>".encode(),
            [],
        ),
        "pool": (f"<sitemapindex><sitemap><loc>{site}map/loop</loc></sitemap></sitemapindex>".encode(), []),
        "end": (urlset("end").encode(), ["end"]),
    }  # fmt: skip


@pytest.fixture
def served() -> Iterator[Any]:
    asked: list[str] = []
    bodies: dict[str, bytes] = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = bodies.get(self.path, b"<p>page")
            self.send_response(404 if self.path == "/robots.txt" else 200)
            self.send_header("Content-Type", "application/xml" if self.path in bodies else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server, asked, bodies
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_no_sitemap_reads_a_file_asks_a_stranger_or_takes_much_memory(tmp_path: Path, served: Any) -> None:
    server, asked, bodies = served
    site = f"http://127.0.0.1:{server.server_port}/"
    canary = tmp_path / "canary"
    canary.write_text(CANARY)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)  # who opens it waits for ever
    table = maps(canary, f"{site}bait/", site)
    table["fifo"] = (table["xxe"][0].replace(str(canary).encode(), str(fifo).encode()), [])
    bodies.update({f"/map/{name}": body for name, (body, _) in table.items()})
    names = [name for name in table if name not in ("pool", "end")]
    (tmp_path / "maps.py").write_text(SPIDER.format(site=site, names=names))
    (tmp_path / "small.py").write_text(SPIDER.format(site=site, names=["good"]).replace('"maps"', '"small"'))
    environment = {**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parents[1])}

    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    small, code, mib = json.loads(done.stdout.splitlines()[-1])
    assert (small, code) == (0, 0), done.stderr
    found = sorted(json.loads(line)["path"] for line in (tmp_path / "maps.jsonl").read_text().splitlines())
    assert found == sorted(name for _, names in table.values() for name in names)
    assert not [path for path in asked if path.startswith("/bait")]
    assert CANARY not in done.stderr
    assert max(asked.count(f"/map/{name}") for name in table) <= 2  # "good" is read in both crawls
    assert mib < 64, f"{mib:.0f} MiB"
