"""What a fetcher must do, and the knobs of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from msgspec import Meta

from crawler.http.addresses import read_private_hosts
from crawler.http.credentials import check_headers, check_value, read_credentials
from crawler.http.proxies import read_proxies
from crawler.request import Request
from crawler.response import Cookie, Response
from crawler.urls.url import address

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
    body_memory: Annotated[
        int,
        Meta(
            ge=MiB,
            description="bytes of large bodies held at once, over all hosts: past it they wait (192 MiB, six of the largest)",
        ),
    ] = 192 * MiB
    downloads: Annotated[
        str, Meta(min_length=1, description="the folder of downloads, seen from the project's; made when there is one")
    ] = "downloads"
    max_download: Annotated[
        int, Meta(ge=1, description="bytes of a file past which its download is given up (1 GiB)")
    ] = 1024 * MiB
    download_timeout: Annotated[
        float, Meta(gt=0, description="seconds for one download as a whole: an hour, 300 kB/s for the longest file")
    ] = 3600.0
    user_agent: Annotated[
        str, Meta(min_length=1, description="who asks; robots.txt knows us by the word before the first slash")
    ] = USER_AGENT
    contact: Annotated[
        str | None,
        Meta(description="where a site's owner reaches you: a URL or an e-mail address, sent with the user agent"),
    ] = None
    headers: Annotated[
        dict[str, str], Meta(description="sent with every request; what is secret goes into credentials")
    ] = field(default_factory=dict)
    credentials: Annotated[
        dict[str, str],
        Meta(description='origin -> "basic user:password", "bearer TOKEN" or "header NAME: VALUE", sent there alone'),
    ] = field(default_factory=dict)
    proxies: Annotated[
        tuple[str, ...],
        Meta(description="proxies to go through by turns: http://user:password@host:port, https://…, socks5://…"),
    ] = ()
    cookies: Annotated[bool, Meta(description="keep the cookies that sites set")] = True
    verify_tls: Annotated[bool, Meta(description="refuse certificates that cannot be verified")] = True
    ca_file: Annotated[
        str | None, Meta(description="a file of certificates (PEM) to be trusted beside the system's own")
    ] = None
    client_certificate: Annotated[
        str | None, Meta(description="a file with the certificate (PEM) that is shown to servers that ask for one")
    ] = None
    client_key: Annotated[
        str | None, Meta(description="a file with its key (PEM, without a password; unset: it is in the same file)")
    ] = None
    allow_private_hosts: Annotated[
        bool | tuple[str, ...],
        Meta(
            description="the private hosts that public pages may lead to: true for any, or a list of networks, addresses and "
            "host names (seeds written as private, and what they link to, always work)"
        ),
    ] = False


PER_HOST = (
    "timeout",
    "connect_timeout",
    "read_timeout",
    "max_body",
    "max_download",
    "download_timeout",
    "user_agent",
    "contact",
    "headers",
    "proxies",
    "verify_tls",
    "ca_file",
    "client_certificate",
    "client_key",
)
"""What may differ for one host. Cookies and credentials are bound to their origins anyway."""
FILES = ("ca_file", "client_certificate", "client_key")
"""Names of files."""
_EMAIL = re.compile(r"[^\s@()<>,;:\\\"\[\]]+@[^\s@()<>,;:\\\"\[\]]+")
_CONTACT = re.compile(r"://|@|\bwww\.")
"""What in a user agent tells where its owner is found."""


def user_agent_of(options: FetchOptions) -> str:
    """What goes out as ``User-Agent``: the crawler's name, and the contact if it has none in it."""
    agent = _header(options, "user-agent") or options.user_agent
    if options.contact is None or _CONTACT.search(agent):
        return agent
    return f"{agent} ({'' if _is_email(options.contact) else '+'}{options.contact})"


def identity_of(options: FetchOptions) -> dict[str, str]:
    """The headers that say who asks. ``From`` is for an e-mail address: RFC 9110, section 10.1.2."""
    identity = {"User-Agent": user_agent_of(options)}
    if options.contact is not None and _is_email(options.contact) and not _header(options, "from"):
        identity["From"] = options.contact
    return identity


def has_contact(options: FetchOptions) -> bool:
    """Whether a site's owner can find out whom to write to."""
    return bool(_CONTACT.search(user_agent_of(options)) or _header(options, "from"))


def check_contact(contact: str) -> None:
    """
    :raises ValueError: it is neither an http URL nor an e-mail address
    """
    is_url = contact.startswith(("http://", "https://")) and address(contact) is not None
    is_printable = contact.isascii() and contact.isprintable()
    if not is_printable or set(contact) & set("() ") or not (is_url or _is_email(contact)):
        raise ValueError("write a URL (https://example.org/bot) or an e-mail address (bot@example.org)")


CHECKS: Mapping[str, Callable[[Any, Mapping[str, str]], object]] = {  # Any: of the setting's type
    "user_agent": lambda value, _: check_value("it", value),
    "contact": lambda value, _: check_contact(value),
    "headers": lambda value, _: check_headers(value),
    "credentials": read_credentials,
    "proxies": read_proxies,
    "allow_private_hosts": lambda value, _: read_private_hosts(value),
}
"""What a type cannot say of a setting; each takes a value and the environment, and raises a ValueError that tells."""


def _header(options: FetchOptions, name: str) -> str:
    return next((value for key, value in options.headers.items() if key.lower() == name), "")


def _is_email(text: str) -> bool:
    return "://" not in text and _EMAIL.fullmatch(text) is not None


class Fetcher(Protocol):
    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        """Fetch one URL: one request on the wire, no sleep, no retry, no redirect followed.

        *on_sent* is called once when the request has left; *inside* says that it may reach private addresses.

        :raises FetchError: one of its kinds, for anything that is no complete response
        """

    def address_of(self, hostname: str) -> str:
        """The IP address that *hostname* was last resolved to; empty if that is not known, as through a proxy."""

    def new_cookies(self) -> list[Cookie]:
        """Those that were set or deleted since this was last called, so that a job can keep or forget them."""

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        """Take back what an earlier run of the job kept."""

    async def close(self) -> None:
        """Close every connection."""
