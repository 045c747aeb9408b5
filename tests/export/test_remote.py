"""Destinations elsewhere: against a server that speaks S3, a folder that takes PUT, and servers that misbehave."""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, unquote

import obstore.exceptions
import pytest
from object_stores import S3, PutServer, body_of, env_of, hang_up, reply, serving

from crawler.errors import MissingExtra, OutputError, RemoteError
from crawler.export import remote
from crawler.export.remote import SCHEMES, Remote, is_remote

SECRET = "wJalrXUtnFEMI-a-secret"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    server = S3()
    server.make_bucket("data")
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """obstore reads the environment of the process, too; and nobody waits for a server that is not there."""
    import os

    for name in [*os.environ]:
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(remote, "_RETRIES", 2)
    monkeypatch.setattr(remote, "_BACKOFF", 0.01)


def large_file(path: Path, size: int) -> Path:
    """No two parts of it are the same."""
    path.write_bytes(Random(1).randbytes(size))
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s3://bucket/books.jsonl", True),
        ("https://host/books.jsonl", True),
        ("ftp://host/books.jsonl", True),
        ("books.jsonl", False),
        ("-", False),
        ("C:/books.jsonl", False),
        ("folder/s3:/books.jsonl", False),
    ],
)
def test_a_url_is_a_destination_elsewhere_and_a_path_is_none(name: str, expected: bool) -> None:
    assert is_remote(name) is expected


def test_a_file_is_put_there_and_can_be_asked_for(s3: S3, tmp_path: Path) -> None:
    local = tmp_path / "books.jsonl"
    local.write_bytes(b'{"a":1}\n')
    target = Remote.parse("s3://data/run 1/\u00fc/books.jsonl", s3.env)
    target.check()
    assert target.exists() is False
    target.upload(local)
    assert target.exists() is True
    assert s3.read("data", "run%201/%C3%BC/books.jsonl") == b'{"a":1}\n'


def test_what_is_there_is_replaced(s3: S3, tmp_path: Path) -> None:
    local = tmp_path / "books.jsonl"
    target = Remote.parse("s3://data/replaced.jsonl", s3.env)
    for content in (b"first\n", b"", b"second\n"):
        local.write_bytes(content)
        target.upload(local)
        assert s3.read("data", "replaced.jsonl") == content


def test_a_large_file_goes_in_parts_and_comes_back_byte_for_byte(s3: S3, tmp_path: Path) -> None:
    local = large_file(tmp_path / "large.parquet", 3 * (8 << 20) + 12_345)
    Remote.parse("s3://data/large.parquet", s3.env).upload(local)
    assert s3.read("data", "large.parquet") == local.read_bytes()


def test_a_bucket_that_is_not_there_is_told_before_the_crawl(s3: S3) -> None:
    with pytest.raises(RemoteError) as caught:
        Remote.parse("s3://nowhere/books.jsonl", s3.env).check()
    assert "s3://nowhere/books.jsonl" in str(caught.value)
    assert "create the bucket, or mend its name" in str(caught.value)


def test_a_server_that_is_not_there_is_told_with_the_variable_that_names_it() -> None:
    with pytest.raises(RemoteError) as caught:
        Remote.parse("s3://data/books.jsonl", env_of("http://127.0.0.1:1")).check()
    assert str(caught.value) == (
        "cannot write s3://data/books.jsonl: it cannot be reached: no connection to http://127.0.0.1:1; "
        "is AWS_ENDPOINT_URL right?"
    )


def test_without_credentials_the_message_says_what_to_set() -> None:
    env = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_METADATA_ENDPOINT": "http://127.0.0.1:1"}
    with pytest.raises(RemoteError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        Remote.parse("s3://data/books.jsonl", env).check()


REFUSALS = [
    (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
    (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
    (403, "ExpiredToken", "set AWS_ACCESS_KEY_ID"),
    (401, "Unauthorized", "set AWS_ACCESS_KEY_ID"),
    (404, "NoSuchBucket", "create the bucket"),
    (500, "InternalError", "InternalError: because"),
]


@pytest.mark.parametrize(("status", "code", "expected"), REFUSALS)
def test_what_the_store_refuses_is_told_and_what_to_do(status: int, code: str, expected: str) -> None:
    body = f"<Error><Code>{code}</Code><Message>because {SECRET[:3]}</Message></Error>".encode()
    with serving(lambda request: reply(request, status, body)) as url, pytest.raises(RemoteError) as caught:
        Remote.parse("s3://data/books.jsonl", env_of(url)).check()
    assert code in str(caught.value)
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


class WriteOnly:
    """A store whose credentials may put, and neither list nor read."""

    def __init__(self, put: int) -> None:
        self.put = put
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: Any) -> None:
        self.asked.append((request.command, request.path.partition("?")[0]))
        if request.command == "PUT":
            body_of(request)
            code = {403: b"AccessDenied", 412: b"PreconditionFailed"}.get(self.put, b"")
            reply(request, self.put, b"<Error><Code>%s</Code><Message>no</Message></Error>" % code, ETag='"e"')
        elif request.command == "DELETE":
            reply(request, 204)
        else:
            body_of(request)
            reply(request, 403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")


@pytest.mark.parametrize("answer", [412, 404, 200])
def test_who_may_write_need_not_be_allowed_to_list(answer: int) -> None:
    store = WriteOnly(answer)
    with serving(store) as url:
        Remote.parse("s3://data/a/books.jsonl", env_of(url)).check()
    assert ("PUT", "/data/a/books.jsonl.check") in store.asked
    assert ("PUT", "/data/a/books.jsonl") not in store.asked


def test_who_may_neither_list_nor_write_is_told() -> None:
    with serving(WriteOnly(403)) as url, pytest.raises(RemoteError, match="AccessDenied: no; set AWS_ACCESS_KEY_ID"):
        Remote.parse("s3://data/a/books.jsonl", env_of(url)).check()


def test_whether_it_exists_is_not_guessed() -> None:
    with (
        serving(WriteOnly(412)) as url,
        pytest.raises(RemoteError, match="it cannot be told whether it exists already"),
    ):
        Remote.parse("s3://data/a/books.jsonl", env_of(url)).exists()


class Dying:
    """Stands before a store; the parts numbered *fatal* are cut off half-way, each *times* times."""

    def __init__(self, fatal: int, times: int) -> None:
        self.completed = False
        self.parts: dict[str, bytes] = {}
        self._fatal = f"partNumber={fatal}&"
        self._left = times
        self._lock = threading.Lock()

    def __call__(self, request: Any) -> None:
        if request.command == "POST" and "uploads" in request.path:
            body_of(request)
            reply(
                request, 200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
            )
        elif request.command == "PUT":
            self._part(request)
        elif request.command == "POST":
            body_of(request)
            self.completed = True
            reply(request, 200, b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>')
        else:
            reply(request, 204)

    def _part(self, request: Any) -> None:
        with self._lock:
            dies = self._fatal in request.path + "&" and self._left > 0
            self._left -= dies
        if dies:
            request.rfile.read(100_000)
            hang_up(request)
            return
        self.parts[request.path] = body_of(request)
        reply(request, 200, ETag='"e"')


def test_a_part_that_is_cut_off_is_sent_again(tmp_path: Path) -> None:
    local = large_file(tmp_path / "large.jsonl", 20 << 20)
    store = Dying(fatal=2, times=2)
    with serving(store) as url:
        Remote.parse("s3://data/large.jsonl", env_of(url)).upload(local)
    assert store.completed
    assert b"".join(store.parts[path] for path in sorted(store.parts)) == local.read_bytes()


def test_an_upload_that_cannot_be_ended_shows_nothing_and_keeps_the_file(tmp_path: Path) -> None:
    local = large_file(tmp_path / "large.jsonl", 20 << 20)
    store = Dying(fatal=2, times=1_000)
    with serving(store) as url, pytest.raises(RemoteError, match="it cannot be sent"):
        Remote.parse("s3://data/large.jsonl", env_of(url)).upload(local)
    assert not store.completed
    assert local.stat().st_size == 20 << 20


def test_of_an_upload_that_is_cut_off_for_good_nothing_is_seen_in_a_real_store(s3: S3, tmp_path: Path) -> None:
    local = large_file(tmp_path / "cut.jsonl", 20 << 20)
    passed: list[str] = []

    def forward(request: Any) -> None:
        """The line to the store breaks for good after the upload was begun and one part of it has arrived."""
        body = body_of(request)
        if len(passed) >= 2:
            hang_up(request)
            return
        passed.append(request.command)
        s3.forward(request, body)

    with serving(forward) as url, pytest.raises(RemoteError, match="it cannot be sent: no connection"):
        Remote.parse("s3://data/cut.jsonl", env_of(url)).upload(local)
    assert passed == ["POST", "PUT"]
    assert "cut.jsonl" not in s3.keys("data")
    assert Remote.parse("s3://data/cut.jsonl", s3.env).exists() is False
    Remote.parse("s3://data/cut.jsonl", s3.env).upload(local)
    assert s3.read("data", "cut.jsonl") == local.read_bytes()


def test_google_gets_a_large_file_in_parts(tmp_path: Path) -> None:
    """Its protocol for that is that of S3, which the server here speaks. There is no Google in this test."""
    local = large_file(tmp_path / "large.jsonl", 20 << 20)
    store = Dying(fatal=0, times=0)
    with serving(store) as url:
        env = {"GOOGLE_BASE_URL": url, "GOOGLE_BEARER_TOKEN": SECRET}
        Remote.parse("gs://data/a/large.jsonl", env).upload(local)
    assert store.completed
    assert b"".join(store.parts[path] for path in sorted(store.parts)) == local.read_bytes()
    assert {unquote(path).partition("?")[0] for path in store.parts} == {"/data/a/large.jsonl"}


class Blocks:
    """Blob storage as Azure's clients speak to it: blocks, then the list of those that are the blob."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self._blocks: dict[str, bytes] = {}

    def __call__(self, request: Any) -> None:
        path, _, query = request.path.partition("?")
        body = body_of(request)
        assert request.headers["Authorization"].startswith("SharedKey ann:")
        if request.command != "PUT":
            reply(request, 404 if path not in self.blobs else 200)
            return
        fields = dict(parse_qsl(query))
        if fields.get("comp") == "block":
            self._blocks[fields["blockid"]] = body
        elif fields.get("comp") == "blocklist":
            named = re.findall(rb"<Uncommitted>(.*?)</Uncommitted>", body)
            self.blobs[path] = b"".join(self._blocks[name.decode()] for name in named)
        else:
            self.blobs[path] = body
        reply(request, 201, ETag='"e"', Last_Modified="Tue, 01 Dec 2026 00:00:00 GMT")


@pytest.mark.parametrize("size", [10, 20 << 20])
def test_azure_gets_a_file_whole_or_in_blocks(tmp_path: Path, size: int) -> None:
    local = large_file(tmp_path / "books.jsonl", size)
    store = Blocks()
    with serving(store) as url:
        env = {
            "AZURE_STORAGE_ACCOUNT_NAME": "ann",
            "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0",
            "AZURE_STORAGE_ENDPOINT": f"{url}/ann",
        }
        Remote.parse("az://data/a/books.jsonl", env).upload(local)
    assert store.blobs == {"/ann/data/a/books.jsonl": local.read_bytes()}


@pytest.mark.parametrize(
    ("url", "env", "advice"),
    [
        ("az://data/a.jsonl", {}, "set AZURE_STORAGE_ACCOUNT_NAME"),
        (
            "az://data/a.jsonl",
            {"AZURE_STORAGE_ACCOUNT_NAME": "ann", "AZURE_STORAGE_ACCOUNT_KEY": "no base64!"},
            "set AZURE_STORAGE_ACCOUNT_NAME",
        ),
        (
            "gs://data/a.jsonl",
            {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/account.json"},
            "set GOOGLE_APPLICATION_CREDENTIALS",
        ),
    ],
)
def test_settings_that_are_of_no_use_are_told_with_what_to_set(url: str, env: dict[str, str], advice: str) -> None:
    for call in (Remote.parse(url, env).check, Remote.parse(url, env).exists):
        with pytest.raises(RemoteError) as caught:
            call()
        assert advice in str(caught.value)
        assert "base64!" not in str(caught.value)


# ----- HTTP PUT -----------------------------------------------------------------------------------------------------


def test_a_file_is_put_on_a_web_server(tmp_path: Path) -> None:
    local = large_file(tmp_path / "books.jsonl", 12 << 20)
    server = PutServer()
    with serving(server) as url:
        target = Remote.parse(f"{url}/data/books 1.jsonl", {})
        target.check()
        assert target.exists() is False
        target.upload(local)
        assert target.exists() is True
    assert server.files == {"/data/books%201.jsonl": local.read_bytes()}


def test_an_empty_file_is_put_there_as_well(tmp_path: Path) -> None:
    local = tmp_path / "books.jsonl"
    local.touch()
    server = PutServer()
    with serving(server) as url:
        Remote.parse(f"{url}/books.jsonl", {}).upload(local)
    assert server.files == {"/books.jsonl": b""}


@pytest.mark.parametrize("hangs_up", [False, True])
def test_a_web_server_that_fails_for_the_moment_is_asked_again(tmp_path: Path, hangs_up: bool) -> None:
    local = large_file(tmp_path / "books.jsonl", 1 << 20)
    server = PutServer(failures=2, hangs_up=hangs_up)
    with serving(server) as url:
        Remote.parse(f"{url}/books.jsonl", {}).upload(local)
    assert server.files == {"/books.jsonl": local.read_bytes()}


def test_a_web_server_that_goes_on_failing_is_told_and_has_nothing(tmp_path: Path) -> None:
    local = large_file(tmp_path / "books.jsonl", 1 << 20)
    server = PutServer(failures=1_000)
    with serving(server) as url, pytest.raises(RemoteError, match="the server answered 503 Service Unavailable"):
        Remote.parse(f"{url}/books.jsonl", {}).upload(local)
    assert server.files == {}


def test_the_password_of_a_web_server_is_sent_and_never_shown(tmp_path: Path) -> None:
    server = PutServer(failures=1_000)
    local = tmp_path / "books.jsonl"
    local.write_text("{}\n")
    with serving(server) as url:
        target = Remote.parse(url.replace("//", "//ann:${WORD}@") + "/books.jsonl", {"WORD": SECRET})
        assert target.name == url.replace("//", "//***@") + "/books.jsonl"
        with pytest.raises(RemoteError) as caught:
            target.upload(local)
    assert SECRET not in str(caught.value) + repr(target)
    assert {*server.authorizations} == {"Basic YW5uOndKYWxyWFV0bkZFTUktYS1zZWNyZXQ="}


def test_a_variable_that_is_not_set_is_told() -> None:
    with pytest.raises(OutputError, match="no variable WORD"):
        Remote.parse("https://ann:${WORD}@localhost/books.jsonl", {}).exists()


def test_a_file_that_is_gone_is_no_fault_of_the_destination(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"cannot read .*gone\.jsonl: No such file"):
        Remote.parse("https://localhost/books.jsonl", {}).upload(tmp_path / "gone.jsonl")


# ----- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "env", "expected"),
    [
        ("http://example.com/books.jsonl", {}, "not sent over plain HTTP"),
        ("http://10.0.0.1/books.jsonl", {}, "not sent over plain HTTP"),
        ("http://127.0.0.1.example.com/books.jsonl", {}, "not sent over plain HTTP"),
        ("s3://b/books.jsonl", {"AWS_ENDPOINT_URL": "http://minio.example"}, "AWS_ENDPOINT_URL is an http:// URL"),
        ("s3://b/books.jsonl", {"AWS_ENDPOINT_URL_S3": "http://10.0.0.1"}, "AWS_ENDPOINT_URL_S3 is an http:// URL"),
        ("s3://b/books.jsonl", {"AWS_ENDPOINT": "http://10.0.0.1"}, "AWS_ENDPOINT is an http:// URL"),
        ("az://b/books.jsonl", {"AZURE_STORAGE_ENDPOINT": "http://10.0.0.1"}, "AZURE_STORAGE_ENDPOINT is an http://"),
        ("gs://b/books.jsonl", {"GOOGLE_BASE_URL": "http://10.0.0.1"}, "GOOGLE_BASE_URL is an http:// URL"),
        ("ftp://host/books.jsonl", {}, "datasets go to s3://, gs://, az://, https://, or to a file"),
        ("s3:///books.jsonl", {}, "write s3://bucket/path/books.jsonl"),
        ("s3://bucket", {}, "write s3://bucket/path/books.jsonl"),
        ("s3://bucket/folder/", {}, "names no object"),
        ("s3://bucket/a//b.jsonl", {}, "names no object"),
        ("s3://bucket/a/../b.jsonl", {}, "names no object"),
        ("https://host/books.jsonl?sig=abc", {}, "has no query"),
        ("https://host:port/books.jsonl", {}, "is no URL"),
        ("https://[::1/books.jsonl", {}, "is no URL"),
    ],
)
def test_what_is_no_destination_is_refused_before_anything_is_sent(
    url: str, env: dict[str, str], expected: str
) -> None:
    with pytest.raises(OutputError) as caught:
        Remote.parse(url, env)
    assert expected in str(caught.value)


def test_an_endpoint_that_obstore_finds_itself_gets_nothing_over_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with serving(lambda request: asked.append(request.path) or reply(request, 404)) as url:  # type: ignore[func-returns-value]
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        with pytest.raises(RemoteError):
            Remote.parse("s3://b/books.jsonl", {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}).check()
    assert asked == []


def test_without_obstore_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"crawler\[s3\]"):
        Remote.parse("s3://bucket/books.jsonl", {})


ERRORS = [
    error
    for _, error in inspect.getmembers(obstore.exceptions, inspect.isclass)
    if issubclass(error, obstore.exceptions.BaseError)
] + [FileNotFoundError, FileExistsError, NotImplementedError, ValueError]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_of_obstore_becomes_one_of_ours(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local = tmp_path / "books.jsonl"
    local.touch()

    class Failing:
        def put(self, *_: Any, **__: Any) -> None:
            raise kind("at https://ann:hunter2@host/x?sig=SIGNATURE\n\nDebug source: SIGNATURE")

        head = list = put

    monkeypatch.setattr(Remote, "_store", lambda *_: Failing())
    for scheme in SCHEMES:
        target = Remote.parse(f"{scheme}://localhost/books.jsonl", {})
        for call in (target.check, target.exists, partial(target.upload, local)):
            if kind is FileNotFoundError and (
                call == target.exists or (scheme.startswith("http") and call == target.check)
            ):
                assert not call()  # it says that nothing is there, which is no error
                continue
            with pytest.raises(RemoteError) as caught:
                call()
            assert "SIGNATURE" not in str(caught.value)
            assert "hunter2" not in str(caught.value)
