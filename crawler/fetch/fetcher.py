"""What a fetcher must do, and the knobs of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from msgspec import Meta

from crawler.request import Request
from crawler.response import Cookie, Response

MiB = 1024 * 1024
USER_AGENT = "crawler/0.1"


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Bounds of one fetch. All times are in seconds."""

    timeout: Annotated[float, Meta(gt=0, description="seconds for one page as a whole, body included")] = 30.0
    connect_timeout: Annotated[float, Meta(gt=0, description="seconds to get a connection, TLS included")] = 10.0
    read_timeout: Annotated[float, Meta(gt=0, description="longest silence of a server, in seconds")] = 15.0
    max_body: Annotated[
        int, Meta(ge=1, description="bytes of a decoded body past which the page is given up (32 MiB)")
    ] = 32 * MiB
    user_agent: Annotated[
        str, Meta(min_length=1, description="who asks; robots.txt knows us by the word before the first slash")
    ] = USER_AGENT
    headers: Annotated[dict[str, str], Meta(description="sent with every request")] = field(default_factory=dict)
    cookies: Annotated[bool, Meta(description="keep the cookies that sites set")] = True
    verify_tls: Annotated[bool, Meta(description="refuse certificates that cannot be verified")] = True
    allow_private_hosts: Annotated[
        bool, Meta(description="let public pages lead to private addresses (seeds may always be private)")
    ] = False


class Fetcher(Protocol):
    async def fetch(self, request: Request, on_sent: Callable[[], None] | None = None) -> Response:
        """Fetch one URL: one request on the wire, no sleep, no retry, no redirect followed.

        *on_sent* is called once when the request has left.

        :raises FetchError: one of its kinds, for anything that is no complete response
        """

    def address_of(self, hostname: str) -> str:
        """The IP address that *hostname* was last resolved to; empty if that is not known, as through a proxy."""

    def trust(self, hostname: str) -> None:
        """The user named *hostname* as a seed: it may be a private address."""

    def new_cookies(self) -> list[Cookie]:
        """Those that were set since this was last called, so that a job can keep them."""

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        """Take back what an earlier run of the job kept."""

    async def close(self) -> None:
        """Close every connection."""
