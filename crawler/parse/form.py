"""Forms: what a browser would send if its reader filled in some fields and pressed a button (the HTML Standard, 4.10.21).

Rule 1: what the page has filled in stays, hidden fields too. Rule 2: a name that the form has not is an error, so that
a login does not fail in silence when the site renames its fields; ``extra`` is for what its scripts would add.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeAlias

from crawler.parse.controls import Control, controls_of
from crawler.parse.entries import (
    MULTIPART,
    PLAIN,
    URLENCODED,
    Entry,
    File,
    charset_of_form,
    is_media_type,
    multipart,
    plain,
    urlencoded,
    with_crlf,
)
from crawler.parse.select import Element, Tree, select
from crawler.request import Request, callback_name
from crawler.urls.url import address, why_not

Upload: TypeAlias = bytes | tuple[str, bytes] | tuple[str, bytes, str]
"""The content of a file; with its name; with its media type, too."""
Given: TypeAlias = str | int | float | bool | Upload | Sequence[str | int | float | Upload] | None
Button: TypeAlias = str | tuple[str, str] | bool | None
_SHOWN, _FORMS_SHOWN = 10, 5
"""Fields, buttons and forms that a message names."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a form has to know of its page."""

    url: str
    urljoin: Callable[[str], str]
    encoding: str
    session: str = ""


class Form:
    """A form of a page, with its fields as the page has filled them in. It does not change."""

    __slots__ = ("_accept_charset", "_page", "action", "controls", "enctype", "fields", "method")

    def __init__(self, tree: Tree, element: Element, page: Surroundings) -> None:
        attrs = element.attrs
        self.controls: tuple[Control, ...] = tuple(controls_of(tree, element))
        """All of them, disabled ones and buttons too, in the order of the document."""
        self.fields: Mapping[str, str | list[str]] = MappingProxyType(_fields(self.controls))
        """What would be sent if nothing were filled in, without buttons: the value of each name, or a list where several are."""
        self.action: str = _action(attrs.get("action") or "", page)
        """The absolute URL that it is sent to; the page's own if it names none."""
        self.method: str = _method(attrs.get("method") or "")
        """``GET``, ``POST`` or ``DIALOG``."""
        self.enctype: str = _enctype(attrs.get("enctype") or "")
        self._accept_charset = attrs.get("accept-charset") or ""
        self._page = page

    def submit(
        self,
        values: Mapping[str, Given] | str | Callable[..., Any] | None = None,
        /,
        callback: str | Callable[..., Any] | None = None,
        *,
        button: Button = None,
        extra: Mapping[str, Given] | None = None,
        **fields: Given,
    ) -> Request:
        """The request that the form becomes: ``form.submit(self.logged_in, user="me", password="...")``.

        Fields are given by name, those whose names are no identifiers in a dict: ``form.submit({"user[name]": "me"})``.
        (A callback may come first, or after the dict, or as ``callback=``.) None leaves a field out; True and False check
        and uncheck a checkbox; a list is several values of one name; a file is its bytes, ``(name, bytes)`` or
        ``(name, bytes, type)``.

        A form that is posted is sent even if the crawl has seen its URL (``unique=False``); it stays in the page's session.
        ``.replace(meta=...)`` makes a request with other fields.

        :param button: the button that is pressed: its name, value, label or ID, or ``(name, value)``. By default the first
            one that is not disabled, which Enter would press; False: none
        :param extra: fields that the form has not, such as a script would add
        :raises ValueError: the form has no such field or button, or cannot be sent as a request
        :raises TypeError: a value is neither a text, a number, a file nor a list of them
        """
        if values is not None and not isinstance(values, Mapping):
            if callback is not None:
                raise ValueError("submit() takes one callback, not two")
            values, callback = None, values
        given = {**(values or {}), **fields}
        pressed = self._pressed(button)
        self._check(given, pressed)
        charset = charset_of_form(self._accept_charset, self._page.encoding)
        entries = self._entries(given, pressed, charset)
        for name, value in (extra or {}).items():
            entries += _entries_of(name, value, None)
        return self._request(entries, pressed, charset, callback_name(callback))

    def __repr__(self) -> str:
        return f"<Form {self.method} {self.action} ({', '.join(_names(self.controls)[:_SHOWN])})>"

    def _pressed(self, button: Button) -> Control | None:
        buttons = [control for control in self.controls if control.is_button]
        if button is False:
            return None
        if button is None or button is True:
            return next((control for control in buttons if not control.is_disabled), None)
        if isinstance(button, tuple):
            found = [control for control in buttons if (control.name, control.values[0]) == button]
        else:
            ways: list[Callable[[Control], str]] = [
                lambda control: control.name,
                lambda control: control.values[0],
                lambda control: control.label,
                lambda control: control.identity,
            ]
            found = [control for way in ways for control in buttons if way(control) == button]
        if not found:
            there_are = ", ".join([repr(_button_called(control)) for control in buttons[:_SHOWN]]) or "none"
            raise ValueError(f"the form of {self._page.url} has no button {button!r}; its buttons: {there_are}")
        return found[0]

    def _check(self, given: Mapping[str, Given], pressed: Control | None) -> None:
        names = _names(self.controls) + [name for name, _ in (_of_button(pressed) if pressed is not None else [])]
        for name in given:
            if name in names:
                continue
            near = get_close_matches(str(name), names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; its fields: {', '.join(names[:_SHOWN]) or 'none'}"
            raise ValueError(
                f"the form of {self._page.url} has no field {name!r}{hint} "
                f"(what scripts would add goes in extra={{{name!r}: ...}})"
            )

    def _entries(self, given: Mapping[str, Given], pressed: Control | None, charset: str) -> list[Entry]:
        """The Standard's "constructing the entry list"; a field that is given stands where the first of its name does."""
        entries: list[Entry] = []
        done: set[str] = set()
        alike: dict[str, list[Control]] = {}
        for control in self.controls:
            alike.setdefault(control.name, []).append(control)
        for control in self.controls:
            name = control.name
            if control.is_button:
                if control is pressed:
                    entries += [entry for entry in _of_button(control) if entry[0] not in given]
            elif name in given:
                if name not in done:
                    entries += _entries_of(name, given[name], alike[name])
                    entries += _direction(control) if given[name] is not None else []
                done.add(name)
            elif name and not control.is_disabled:
                is_charset = control.kind == "hidden" and name.lower() == "_charset_"
                values = (charset.upper() if charset == "utf-8" else charset,) if is_charset else control.values
                entries += [(name, File() if control.kind == "file" else value) for value in values]
                entries += _direction(control)
        for name, value in given.items():  # those of the button that was pressed
            if name not in done:
                entries += _entries_of(name, value, None)
        return entries

    def _request(self, entries: list[Entry], pressed: Control | None, charset: str, callback: str) -> Request:
        overrides = dict(pressed.overrides) if pressed is not None else {}
        method = _method(overrides["formmethod"]) if "formmethod" in overrides else self.method
        enctype = _enctype(overrides["formenctype"]) if "formenctype" in overrides else self.enctype
        action = _action(overrides["formaction"], self._page) if overrides.get("formaction") else self.action
        session = self._page.session
        if method == "DIALOG":
            raise ValueError(f"the form of {self._page.url} closes a dialog (method=dialog): it sends nothing")
        if address(action) is None:
            raise ValueError(f"the form of {self._page.url} cannot be sent to {action[:200]!r}: {why_not(action)}")
        if method == "GET":
            query = urlencoded(entries, charset)
            url = action.partition("#")[0].partition("?")[0]
            return Request(f"{url}?{query}" if query else url, callback, session=session)
        if enctype == MULTIPART:
            body, enctype = multipart(entries, charset)
        elif enctype == PLAIN:
            body = plain(entries, charset)
        else:
            form = {name: with_crlf(value) for name, value in entries if isinstance(value, str)}
            if charset == "utf-8" and len(form) == len(entries):  # as it can be read, and changed, most easily
                return Request(action, callback, "POST", form=form, unique=False, session=session)
            body = urlencoded(entries, charset).encode()
        headers = {"Content-Type": enctype}
        return Request(action, callback, "POST", headers, body, unique=False, session=session)


def form_of(tree: Tree, css: str, page: Surroundings) -> Form:
    """The first form that *css* names, or that is in, or around, what it names.

    :raises ValueError: there is none; the message says which there are
    """
    for node in select(tree, css):
        if not node.is_element:
            continue
        element: Element | None = node.raw
        if node.tag != "form":
            element = node.raw.css_first("form") or _around(node.raw)
        if element is not None:
            return Form(tree, element, page)
    forms = tree.tags("form")
    there_are = "; ".join([_called(tree, form) for form in forms[:_FORMS_SHOWN]]) or "none"
    raise ValueError(f"{page.url} has no form {css!r}; its forms: {there_are}")


def _around(element: Element) -> Element | None:
    above = element.parent
    while above is not None and above.tag != "form":
        above = above.parent
    return above


def _action(href: str, page: Surroundings) -> str:
    return page.urljoin(href) if href else page.url


def _method(word: str) -> str:
    method = word.upper()
    return method if method in ("POST", "DIALOG") else "GET"


def _enctype(word: str) -> str:
    enctype = word.lower()
    return enctype if enctype in (MULTIPART, PLAIN) else URLENCODED


def _fields(controls: Sequence[Control]) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for control in controls:
        if control.is_button or control.is_disabled or not control.name:
            continue
        for value in control.values:
            before = found.get(control.name)
            if before is None:
                found[control.name] = value
            elif isinstance(before, str):
                found[control.name] = [before, value]
            else:
                before.append(value)
    return found


def _of_button(control: Control) -> list[Entry]:
    if control.kind == "image":
        prefix = f"{control.name}." if control.name else ""
        return [(f"{prefix}x", "0"), (f"{prefix}y", "0")]
    return [(control.name, control.values[0])] if control.name else []


def _direction(control: Control) -> list[Entry]:
    return [(control.direction, "rtl" if control.is_rtl else "ltr")] if control.direction else []


def _entries_of(name: str, given: Given, controls: Sequence[Control] | None) -> list[Entry]:
    """The entries of a field that is given. *controls*: those of that name; None: the form has none."""
    if given is None:
        return []
    if isinstance(given, bool):
        boxes = [control for control in controls or () if control.can_be_checked]
        if not boxes:
            raise ValueError(f"{name!r} is no checkbox that {given} could check or uncheck: give it a text")
        return [(name, control.options[0]) for control in boxes] if given else []
    are_files = bool(controls) and all(control.kind == "file" for control in controls or ())
    several = given if isinstance(given, Sequence) and not isinstance(given, (str, bytes, tuple)) else [given]
    return [(name, _value(name, one, are_files, is_free=controls is None)) for one in several]


def _value(name: str, given: object, is_file: bool, *, is_free: bool) -> str | File:
    if isinstance(given, (bytes, tuple)):
        parts = ("file", given) if isinstance(given, bytes) else given
        if not (is_file or is_free):
            raise ValueError(f"{name!r} is no file input: give it a text")
        if len(parts) in (2, 3) and isinstance(parts[0], str) and isinstance(parts[1], bytes):
            upload = File(*parts)
            if is_media_type(upload.type):
                return upload
        raise ValueError(f"a file for {name!r} is bytes, (name, bytes) or (name, bytes, media type), not {given!r:.80}")
    if is_file:
        raise ValueError(f"{name!r} is a file input: give it bytes, or (name, bytes)")
    if not isinstance(given, (str, int, float)):
        raise TypeError(f"{name!r} cannot be {given!r:.80}: a value is a text, or a list of them")
    return str(given)


def _names(controls: Sequence[Control]) -> list[str]:
    """What can be given: a button is pressed, not filled in."""
    return list(dict.fromkeys([control.name for control in controls if control.name and not control.is_button]))


def _button_called(control: Control) -> str:
    return control.name or control.values[0] or control.label or control.identity


def _called(tree: Tree, form: Element) -> str:
    attrs = form.attrs
    identity, classes = attrs.get("id"), (attrs.get("class") or "").split()
    name = "form" + (f"#{identity}" if identity else "") + "".join([f".{word}" for word in classes])
    return f"{name} ({', '.join(_names(controls_of(tree, form))[:_SHOWN])})"
