"""Datasets that go elsewhere: to an object store, or to a server that takes HTTP PUT. The only file that imports obstore.

A dataset is made on this machine, whole, and then sent: what is seen at the destination is the whole file, or the one that
was there before. If it cannot be sent, it is still here.

Rule 1: nothing goes over plain HTTP, except to this machine: a signed request tells whoever listens what may be sent again.
Rule 2: no message shows a secret, be it of the URL, of the environment or of what the store answers.
Rule 3: what obstore raises becomes a :class:`~crawler.errors.RemoteError`, or an OutputError if it was the URL.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from crawler.errors import MissingExtra, OutputError, RemoteError
from crawler.http.credentials import basic, expanded

if TYPE_CHECKING:
    from obstore.store import ObjectStore, RetryConfig

_PART = 8 << 20
"""Bytes of a part of an upload. S3 wants at least 5 MiB of each but the last."""
_MOST_PARTS = 9_000
"""S3 takes 10,000: the parts of a larger file are larger."""
_AT_ONCE = 4
"""Parts on their way, and in memory: 32 MiB of a file of up to 72 GB."""
_RETRIES = 6
_BACKOFF = 0.2
"""Seconds before the second try; each further one waits twice as long, 15 s at most."""
_RETRY_SECONDS = 120.0
"""After that a part is given up, and the upload with it."""
_PATIENCE = 300
"""Seconds for one request: for a part of 8 MiB, 28 kB/s."""
_SLOWEST = 64 << 10
"""Bytes a second at which a file that goes in one request must arrive."""
_CHECK_SECONDS = 20.0
"""Before the crawl nobody waits that long."""
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1", re.IGNORECASE)
_QUERY = re.compile(r"\?[^\s\"'<>)]+")
"""That of a signed URL has its signature in it."""
_USERINFO = re.compile(r"//[^/?#\s@]+@")
_CODE = re.compile(r"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)
_STATUS = re.compile(r"non-2xx status code: (\d{3}[^:\n]*)")
_ACCESS_DENIED = re.compile(
    r"<Code>(AccessDenied|AuthorizationPermissionMismatch)</Code>|does not have storage\.objects"
)
"""Said to known credentials, by S3, Azure and Google, when they may not do that."""
_REFUSED = re.compile(r"status code: 40[13]")
_OF_THE_MACHINE = re.compile(r"/latest/|computeMetadata|169\.254\.169\.254|metadata/identity")
"""Where a machine in a cloud asks for its credentials. It is asked when there are no others."""
_UNSET = re.compile(r"must be specified|Invalid Access Key|Unable to open service account|Missing|decode")
"""What obstore itself says of settings that it cannot use."""
_SERVER = re.compile(r"performing [A-Z]+ (https?://[^/?#\s]+)")
_LONGEST = 300
"""Characters of what a store says."""


class _Kind(NamedTuple):
    """A kind of destination, by the scheme of its URL."""

    name: str
    variables: dict[str, str]
    """Environment variable -> the option of obstore that it sets. Options are how a test, or a caller, gives another
    environment than that of the process, in which obstore finds the rest."""
    endpoint: tuple[str, ...]
    """Those of the variables that name the server, the usual one first. No two of them must say different things."""
    advice: str


_S3 = _Kind(
    "S3",
    {
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_SESSION_TOKEN": "session_token",
        "AWS_DEFAULT_REGION": "default_region",
        "AWS_REGION": "region",
        "AWS_ENDPOINT": "endpoint",
        "AWS_ENDPOINT_URL": "endpoint",
        "AWS_ENDPOINT_URL_S3": "endpoint",
        "AWS_METADATA_ENDPOINT": "metadata_endpoint",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "virtual_hosted_style_request",
    },
    ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"),
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION if the bucket is not in us-east-1, and AWS_ENDPOINT_URL "
    "for a store that is not Amazon's",
)
_GS = _Kind(
    "Google Cloud Storage",
    {
        "GOOGLE_APPLICATION_CREDENTIALS": "application_credentials",
        "GOOGLE_SERVICE_ACCOUNT": "service_account",
        "GOOGLE_BEARER_TOKEN": "bearer_token",
        "GOOGLE_BASE_URL": "base_url",
    },
    ("GOOGLE_BASE_URL",),
    "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
)
_AZ = _Kind(
    "Azure",
    {
        "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
        "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
        "AZURE_STORAGE_SAS_TOKEN": "sas_key",
        "AZURE_STORAGE_ENDPOINT": "endpoint",
    },
    ("AZURE_STORAGE_ENDPOINT",),
    "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
)
_HTTP = _Kind("HTTP", {}, (), "write the user and password as https://user:${PASSWORD}@host/path")

SCHEMES: dict[str, _Kind] = {"s3": _S3, "gs": _GS, "az": _AZ, "https": _HTTP, "http": _HTTP}
"""A name that begins so is a destination elsewhere."""


def is_remote(name: str) -> bool:
    """Whether an output's *name* is a URL, and not that of a file."""
    return "://" in name


class Remote:
    """One object elsewhere: it can be asked for, and put there. Made by :meth:`parse`; nothing is sent before it is asked."""

    def __init__(self, name: str, path: str, kind: _Kind, location: SplitResult, env: Mapping[str, str]) -> None:
        self.name = name
        """Its URL, without a secret."""
        self._path = path
        self._kind = kind
        self._location = location
        self._env = env

    @classmethod
    def parse(cls, url: str, env: Mapping[str, str]) -> Remote:
        """The destination that *url* names: ``s3://bucket/path/books.jsonl``, ``gs://``, ``az://container/``, ``https://``.

        :param env: the environment; a ``${NAME}`` in the user or password of an https URL is taken from it
        :raises OutputError: it names none, or would be reached without TLS
        :raises MissingExtra: obstore is not installed
        """
        _imported()
        try:
            location = urlsplit(url)
            location.port  # noqa: B018  # it is read when it is asked for
        except ValueError as error:
            raise OutputError(f"{_masked(url)} is no URL: {error}") from None
        kind = SCHEMES.get(location.scheme)
        if kind is None:
            raise OutputError(
                f"{_masked(url)}: datasets go to {', '.join(f'{scheme}://' for scheme in SCHEMES if scheme != 'http')}, "
                "or to a file"
            )
        path = unquote(location.path).lstrip("/")
        name = _masked(urlunsplit(location))
        if not location.hostname or not path or path.endswith("/") or "//" in path or {".", ".."} & {*path.split("/")}:
            where = "host" if kind is _HTTP else "bucket"
            raise OutputError(f"{name} names no object: write {location.scheme}://{where}/path/books.jsonl")
        if location.query or location.fragment:
            raise OutputError(f"{name}: a destination has no query and no fragment")
        _refuse_plain(name, location, kind, env)
        return cls(name, path, kind, location, env)

    def check(self) -> None:
        """Ask whether something could be put there: the server answers, the bucket exists, the credentials are good.

        :raises RemoteError: no; the message says what to set
        """
        from obstore.exceptions import BaseError

        with self._translated("it cannot be reached"):
            store = self._store(_CHECK_SECONDS)
            if self._kind is _HTTP:
                self._head(store)
                return
            folder = self._path.rpartition("/")[0]
            try:
                next(iter(store.list(folder or None, chunk_size=1)), None)
            except BaseError as error:
                if not _ACCESS_DENIED.search(str(error)):
                    raise
                self._try_to_put(store)  # who may write need not be allowed to list

    def exists(self) -> bool:
        """Whether there is something already.

        :raises RemoteError: it cannot be told
        """
        with self._translated("it cannot be told whether it exists already"):
            return self._head(self._store(_CHECK_SECONDS))

    def upload(self, local: Path) -> None:
        """Put the file *local* there, in place of what there is: the whole of it, or nothing that anybody sees. What fails
        for the moment is tried again. Memory is bounded, whatever the size.

        :raises RemoteError: it cannot be put there
        """
        try:
            size = local.stat().st_size
            with self._translated("it cannot be sent"):
                store = self._store(_RETRY_SECONDS, size)
                if self._kind is _HTTP:  # which knows no parts; the system reads the file as it is sent
                    with local.open("rb") as file, _mapped(file, size) as content:
                        store.put(self._path, content, use_multipart=False)
                else:
                    part = max(_PART, -(-size // _MOST_PARTS))
                    store.put(self._path, local, chunk_size=part, max_concurrency=_AT_ONCE, use_multipart=size > part)
        except OSError as error:
            raise RemoteError(self.name, f"cannot read {local}: {error.strerror or error}") from error

    def _head(self, store: ObjectStore) -> bool:
        try:
            store.head(self._path)
        except FileNotFoundError:
            return False
        return True

    def _try_to_put(self, store: ObjectStore) -> None:
        """A write that a store which knows the condition does not do, but asks first whether it may be done."""
        from obstore.exceptions import BaseError, NotSupportedError, PreconditionError

        probe = f"{self._path}.check"
        try:
            store.put(probe, b"", mode={"e_tag": '"none"', "version": "1"})
        except (PreconditionError, FileNotFoundError, NotSupportedError, NotImplementedError):
            return
        try:
            store.delete(probe)  # it was written by a store that does not know conditions
        except (BaseError, FileNotFoundError):
            pass  # it stays, empty: who may write need not be allowed to delete, either

    def _store(self, seconds: float, size: int = 0) -> ObjectStore:
        from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

        retry: RetryConfig = {
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=seconds),
            "backoff": {
                "init_backoff": timedelta(seconds=_BACKOFF),
                "max_backoff": timedelta(seconds=15),
                "base": 2,
            },
        }
        patience = _PATIENCE + (size // _SLOWEST if self._kind is _HTTP else 0)
        client: Any = {
            "allow_http": self._is_on_this_machine(),
            "connect_timeout": "10s",
            "timeout": timedelta(seconds=patience),
        }
        config: Any = self._config()
        container = self._location.hostname or ""
        if self._kind is _HTTP:
            if headers := self._authorization():
                client["default_headers"] = headers
            return HTTPStore(self._origin(), client_options=client, retry_config=retry)
        of_kind: Any = {_S3.name: S3Store, _GS.name: GCSStore, _AZ.name: AzureStore}[self._kind.name]
        store: ObjectStore = of_kind(container, config=config, client_options=client, retry_config=retry)
        return store

    def _config(self) -> dict[str, str]:
        variables = self._kind.variables
        return {option: self._env[name] for name, option in variables.items() if self._env.get(name)}

    def _is_on_this_machine(self) -> bool:
        """Whether the server is one that may be asked over plain HTTP. Asked of the URL alone, not of the name's address."""
        urls = [urlsplit(self._env.get(variable, "")) for variable in self._kind.endpoint]
        named = [self._location] if self._kind is _HTTP else [url for url in urls if url.scheme]
        return bool(named) and all(url.scheme == "http" and _LOOPBACK.fullmatch(url.hostname or "") for url in named)

    def _origin(self) -> str:
        host = self._location.netloc.rpartition("@")[2]
        return f"{self._location.scheme}://{host}/"

    def _authorization(self) -> dict[str, str]:
        user, password = self._location.username, self._location.password
        if user is None:
            return {}
        try:
            pair = [expanded(unquote(part or ""), self._env) for part in (user, password)]
            return {"authorization": basic(*pair)}
        except ValueError as error:
            raise OutputError(f"{self.name}: {error}") from None

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Rule 3. Errors of Python's own are what obstore has for an object that is not there, and for bad settings."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, FileExistsError, NotImplementedError, ValueError) as error:
            if isinstance(error, FileNotFoundError) and error.errno is not None:
                raise  # a file on this machine
            raise RemoteError(self.name, f"{what}: {_told(error, self._kind)}") from None


def _imported() -> None:
    try:
        import obstore  # noqa: F401
    except ImportError:
        raise MissingExtra('datasets elsewhere need obstore: pip install "crawler[s3]"') from None


def _refuse_plain(name: str, location: SplitResult, kind: _Kind, env: Mapping[str, str]) -> None:
    """
    :raises OutputError: what is sent could be read on its way
    """
    if location.scheme == "http" and not _LOOPBACK.fullmatch(location.hostname or ""):
        raise OutputError(f"{name}: a dataset is not sent over plain HTTP; write https://")
    for variable in kind.endpoint:
        endpoint = urlsplit(env.get(variable, ""))
        if endpoint.scheme == "http" and not _LOOPBACK.fullmatch(endpoint.hostname or ""):
            raise OutputError(
                f"{variable} is an http:// URL: a signed request is not sent over plain HTTP; use https://"
            )


@contextmanager
def _mapped(file: Any, size: int) -> Iterator[Any]:  # Any: a file, and what has the buffer protocol
    if not size:
        yield b""
        return
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        yield content
    finally:
        try:
            content.close()
        except BufferError:
            pass  # a failed upload may still hold it: it goes with the last that does


def _told(error: Exception, kind: _Kind) -> str:
    """What the store says, in one line, without secrets; and what to do, where that is known."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    text = str(error)
    if code := _CODE.search(text):
        said = f"{code[1]}: {code[2]}"
    elif status := _STATUS.search(text):
        said = f"the server answered {status[1].strip()}"
    else:
        said = text.partition("\n")[0]
    said = _masked(" ".join(_QUERY.sub("?***", said).split()))[:_LONGEST]
    if "NoSuchBucket" in text or "ContainerNotFound" in text:
        return f"{said}; create the bucket, or mend its name"
    is_refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or _REFUSED.search(text)
    if is_refused or _OF_THE_MACHINE.search(text) or _UNSET.search(said):
        return f"{said}; {kind.advice}"
    if "error sending request" in text:
        where = _SERVER.search(text)
        return f"no connection{f' to {where[1]}' if where else ''}" + (
            f"; is {kind.endpoint[0]} right?" if kind.endpoint else ""
        )
    return said


def _masked(text: str) -> str:
    return _USERINFO.sub("//***@", text)
