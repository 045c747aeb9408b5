"""Secrets of the configuration: read, bound to the origin that they are for, and hidden where they would be shown.

Rule 1: a secret belongs to one origin (scheme, host and port). There is no way to write one that goes everywhere.
Rule 2: no message that is made here contains one.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from crawler.urls.url import address

Environment = Mapping[str, str]

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_TOKEN = re.compile(r"[!-~]+")
"""Visible ASCII: RFC 6750, section 2.1, has less, but servers give out what they like."""
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.1."""
_SECRET_HEADER = re.compile(r"auth|cookie|key|token|secret|password|session", re.IGNORECASE)
"""What is not shown: rather one too many."""
_SECRET_WORD = re.compile(
    r"(?<![a-z0-9])(?:auth(?:orization|entication)?|cookie2?|credentials?|jwt|(?:api)?key|passw(?:or)?d|secret"
    r"|session(?:id)?|signature|token)(?![a-z0-9])",
    re.IGNORECASE,
)
"""A header with one of these words in its name is for one origin: ``X-Api-Key``, ``PRIVATE-TOKEN``, ``X-Auth-Token``."""
_PROXY = "proxy-authorization"
_UNBOUND = {
    "authorization": 'write it as credentials = {"https://api.example.com" = "bearer TOKEN"}, which goes to that origin',
    _PROXY: 'write it in the proxy\'s own URL, as in proxies = ["http://user:password@proxy:3128"]',
}
"""Headers that would reach whatever host the crawl comes to -> where they belong, if not among other headers."""
HIDDEN = "***"


class Credential(NamedTuple):
    """A header that is sent to one origin."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"<Credential {self.name}>"


def read_credentials(table: Mapping[str, str], environment: Environment) -> dict[str, Credential]:
    """What the setting ``credentials`` has for each origin.

    :raises ValueError: a key is no origin, a value is neither ``basic user:password`` nor ``bearer TOKEN`` nor
        ``header NAME: VALUE``, or names a variable that is not set
    """
    return {_origin(key): _credential(key, expanded(value, environment)) for key, value in table.items()}


def expanded(text: str, environment: Environment) -> str:
    """*text* with the value of each ``${NAME}`` in its place.

    :raises ValueError: there is no such variable
    """

    def value_of(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise ValueError(f"there is no variable {found[1]} in the environment")
        return environment[found[1]]

    return _VARIABLE.sub(value_of, text)


def basic(user: str, password: str) -> str:
    """RFC 7617, in UTF-8.

    :raises ValueError: the name has a colon, or either has a control character
    """
    pair = f"{user}:{password}"
    if ":" in user:
        raise ValueError("a user name cannot have a colon in it")
    if any(character < " " or character == "\x7f" for character in pair):
        raise ValueError("there is a control character in it")
    return f"Basic {b64encode(pair.encode('utf-8', 'surrogateescape')).decode()}"


def check_headers(headers: Mapping[str, str]) -> None:
    """
    :raises ValueError: one of those that are sent with every request is a secret, which would go to every host that
        they are for, or can be no header
    """
    check_fields(headers)
    for name in headers:
        if is_secret(name):
            there = f'write it as credentials = {{"https://api.example.com" = "header {name}: …"}}, which goes to that origin'
            instead = _UNBOUND.get(name.lower(), there)
            raise ValueError(f"{name} would be sent to every host that these headers are for: {instead}")


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether the header *name* tells by its name that not everybody may see it."""
    return _SECRET_WORD.search(name) is not None


def without_proxy_secret(headers: dict[str, str]) -> dict[str, str]:
    """*headers* of a request without ``Proxy-Authorization``: no host may see it, and a proxy's own is made from its URL."""
    if any(name.lower() == _PROXY for name in headers):
        return {name: value for name, value in headers.items() if name.lower() != _PROXY}
    return headers


def check_fields(headers: Mapping[str, str]) -> None:
    """
    :raises ValueError: one of them can be no header
    """
    check_names(headers)
    for name, value in headers.items():
        check_value(name, value)


def check_names(headers: Iterable[str]) -> None:
    """
    :raises ValueError: one of them cannot be the name of a header (RFC 9110, section 5.1)
    """
    for name in headers:
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header: letters, digits and - are")


def check_value(name: str, value: str) -> None:
    """
    :raises ValueError: *value*, which is not shown, cannot be sent as that of the header *name*
    """
    if any((character < " " and character != "\t") or character == "\x7f" for character in value):
        raise ValueError(f"there is a line break or another control character in {name}")


def concealed(name: str, value: Any) -> Any:  # Any: of the setting's type
    """The *value* of the setting *name* as it may be shown: with ``***`` in the place of each secret.

    A secret that is taken from the environment, ``${NAME}``, is none yet.
    """
    conceal = _CONCEAL.get(name)
    return conceal(value) if conceal is not None else value


def without_secret(text: str) -> str:
    """*text* with ``***`` for the password of each URL in it."""
    return _PASSWORD.sub(lambda found: f"{found[1]}{_hidden(found[2])}@", text)


_PASSWORD = re.compile(r"(//[^/?#\s:@]*:)([^/?#\s]*)@")


def without_password(text: str) -> str:
    """*text*, an address as somebody wrote it, well or not, with ``***`` for the password in it.

    All up to the last ``@`` may be one: not everybody knows that a slash or a space in it has to be escaped.
    """
    place, at, rest = text.rpartition("@")
    begin = place.find("//") + 2 if "//" in place else 0
    user, colon, password = place[begin:].partition(":")
    return f"{place[:begin]}{user}:{_hidden(password)}@{rest}" if at and colon else text


def _conceal_proxies(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return type(value)(without_password(str(url)) for url in value)
    return without_password(str(value))


def _conceal_credentials(value: object) -> object:
    if not isinstance(value, Mapping):
        return HIDDEN
    return {without_password(str(origin)): _conceal_credential(str(text)) for origin, text in value.items()}


def _conceal_credential(text: str) -> str:
    scheme, space, secret = text.partition(" ")
    if scheme.lower() == "basic":
        user, colon, password = secret.partition(":")
        return f"{scheme}{space}{user}{colon}{_hidden(password)}" if colon else f"{scheme}{space}{HIDDEN}"
    if scheme.lower() == "header":
        name, colon, value = secret.partition(":")
        return f"{scheme}{space}{name}{colon} {_hidden(value.strip())}" if colon else f"{scheme}{space}{HIDDEN}"
    return f"{scheme}{space}{_hidden(secret)}" if scheme.lower() == "bearer" else _hidden(text)


def _conceal_headers(value: object) -> object:
    if not isinstance(value, Mapping):
        return HIDDEN if _SECRET_HEADER.search(str(value)) else value
    return {name: _hidden(str(text)) if _SECRET_HEADER.search(str(name)) else text for name, text in value.items()}


def _hidden(secret: str) -> str:
    return secret if not secret or _VARIABLE.fullmatch(secret) else HIDDEN


_CONCEAL: dict[str, Callable[[Any], Any]] = {  # Any: of the setting's type, or what was given for it
    "proxies": _conceal_proxies,
    "credentials": _conceal_credentials,
    "headers": _conceal_headers,
}


def _origin(key: str) -> str:
    target = address(key)
    if target is None:
        guess = address(f"https://{key.partition('://')[2] or key}")
        hint = f": write {guess.origin!r}" if guess is not None else ""
        raise ValueError(f"{without_password(key)!r} is no origin{hint or '; one is https://api.example.com'}")
    if target.href != f"{target.origin}/" or key.endswith("/") or "#" in key or "?" in key:
        raise ValueError(f"{without_password(key)!r} is more than an origin: write {target.origin!r}")
    return target.origin


def _credential(key: str, text: str) -> Credential:
    scheme, _, secret = text.strip().partition(" ")
    secret = secret.strip()
    begin, colon, rest = secret.partition(":")
    try:
        if scheme.lower() == "basic" and colon:
            return Credential("Authorization", basic(begin, rest))
        if scheme.lower() == "bearer" and _TOKEN.fullmatch(secret):
            return Credential("Authorization", f"Bearer {secret}")
        if scheme.lower() == "header" and colon:
            return _header(begin.strip(), rest.strip())
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    raise ValueError(
        f'{key}: write "basic user:password", "bearer TOKEN" or "header NAME: VALUE"; ${{NAME}} stands for a variable'
    )


def _header(name: str, value: str) -> Credential:
    check_names([name])
    check_value(name, value)
    if name.lower() == _PROXY:
        raise ValueError(f"{name} is for no host: {_UNBOUND[_PROXY]}")
    return Credential(name, value)
