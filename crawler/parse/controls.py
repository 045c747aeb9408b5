"""The controls of a form: which elements they are, and what they would send (the HTML Standard, 4.10.17 and 4.10.21.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from crawler.parse.select import Element, Tree

_FLOAT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""The HTML Standard, "valid floating-point number"."""

_CONTROLS = "form, input, button, select, textarea"
_IN_TABLES = frozenset({"table", "thead", "tbody", "tfoot", "tr"})
_TABLE_WITHIN = 64
"""Elements above a control among which the table of its form is looked for."""
_SPACE = re.compile(r"[ \t\n\f\r]+")
_CHECKED = frozenset({"checkbox", "radio"})
_BUTTONS = frozenset({"submit", "image"})
_SILENT = frozenset({"button", "reset"})
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a form, as it is when nobody has touched it."""

    name: str
    """Empty: it sends nothing (but for an image)."""
    kind: str
    """``text``, ``hidden``, ``checkbox``, ``radio``, ``file``, ``submit``, ``image``, ``select``, ``textarea`` ..."""
    values: tuple[str, ...]
    """What it sends: nothing if it is not checked or selected."""
    options: tuple[str, ...] = ()
    """What it could send, of those that can be checked or selected."""
    is_disabled: bool = False
    direction: str = ""
    """The name under which it sends the direction of its text, by ``dirname``."""
    label: str = ""
    """What is written on a button."""
    identity: str = ""
    """Its ID."""
    is_rtl: bool = False
    overrides: tuple[tuple[str, str], ...] = ()
    """Of a button: the attributes ``formaction``, ``formmethod`` and ``formenctype`` that it has."""

    @property
    def is_button(self) -> bool:
        """Whether it submits the form."""
        return self.kind in _BUTTONS

    @property
    def can_be_checked(self) -> bool:
        return self.kind in _CHECKED


class _Place(NamedTuple):
    """What the elements above one mean for it."""

    form: int = 0
    """The ``mem_id`` of the form that it is in; 0: none."""
    is_disabled: bool = False
    is_suggestion: bool = False
    """Whether it is in a ``<datalist>``, and no control at all."""


def controls_of(tree: Tree, form: Element) -> list[Control]:
    """The controls that belong to *form*, in the order of the document, wherever they stand."""
    places = _Places()
    ids: dict[str, Element] | None = None
    wanted = form.mem_id
    loose: Element | None = None  # a form that the parser has closed at once, as it stands between the rows of a table
    found: list[Control] = []
    for element in tree.css(_CONTROLS):
        if element.tag == "form":
            loose = element if _is_loose(element) else loose
            continue
        place = places.of(element)
        named = element.attrs.get("form", "")
        if "form" in element.attrs:
            if ids is None:
                ids = _by_id(tree)
            owner = ids.get(named or "")
            owned_by = owner.mem_id if owner is not None else 0
        else:
            owned_by = place.form or (loose.mem_id if loose is not None and _is_in_table_of(element, loose) else 0)
        if owned_by == wanted and not place.is_suggestion:
            control = _control(element, place.is_disabled or "disabled" in element.attrs)
            if control is not None:
                found.append(control)
    return _one_radio_each(found)


class _Places:
    """The places of elements: each element above is looked at once, however many controls are in it."""

    def __init__(self) -> None:
        self._known: dict[int, _Place] = {}
        self._legends: dict[int, int] = {}

    def of(self, element: Element) -> _Place:
        passed: list[tuple[Element, Element]] = []
        at = element
        while at.mem_id not in self._known:
            above = at.parent
            if above is None:
                self._known[at.mem_id] = _Place()
                break
            passed.append((at, above))
            at = above
        place = self._known[at.mem_id]
        for inner, above in reversed(passed):
            place = self._below(place, above, inner)
            self._known[inner.mem_id] = place
        return place

    def _below(self, place: _Place, above: Element, inner: Element) -> _Place:
        tag = above.tag
        if tag == "form":
            return place._replace(form=above.mem_id)
        if tag == "fieldset" and "disabled" in above.attrs and inner.mem_id != self._legend(above):
            return place._replace(is_disabled=True)
        return place._replace(is_suggestion=True) if tag == "datalist" else place

    def _legend(self, fieldset: Element) -> int:
        """Its first legend, in which controls are not disabled."""
        if fieldset.mem_id not in self._legends:
            legend = next((child for child in fieldset.iter() if child.tag == "legend"), None)
            self._legends[fieldset.mem_id] = 0 if legend is None else legend.mem_id
        return self._legends[fieldset.mem_id]


def _is_loose(form: Element) -> bool:
    parent = form.parent
    return form.first_child is None and parent is not None and parent.tag in _IN_TABLES


def _is_in_table_of(element: Element, form: Element) -> bool:
    table = form.parent
    while table is not None and table.tag != "table":
        table = table.parent
    above = element.parent
    for _ in range(_TABLE_WITHIN):
        if above is None or table is None:
            return False
        if above.mem_id == table.mem_id:
            return True
        above = above.parent
    return False


def _by_id(tree: Tree) -> dict[str, Element]:
    found: dict[str, Element] = {}
    for element in tree.css("[id]"):
        found.setdefault(element.attrs.get("id") or "", element)
    return found


def _control(element: Element, is_disabled: bool) -> Control | None:
    attrs = element.attrs
    name, tag = attrs.get("name") or "", element.tag
    direction = attrs.get("dirname") or ""
    is_rtl = (attrs.get("dir") or "").lower() == "rtl"
    if tag == "select":
        values, options = _selected(element)
        return Control(name, "select", values, options, is_disabled)
    if tag == "textarea":
        return Control(name, "textarea", (element.text(),), (), is_disabled, direction, is_rtl=is_rtl)
    kind = (attrs.get("type") or ("submit" if tag == "button" else "text")).lower()
    value = attrs.get("value") or ""
    if tag == "button":
        kind = kind if kind in _SILENT else "submit"
    if kind in _SILENT:
        return None
    if kind in _CHECKED:
        value = value if "value" in attrs else "on"
        return Control(name, kind, (value,) if "checked" in attrs else (), (value,), is_disabled)
    if kind in _BUTTONS:
        label = _SPACE.sub(" ", element.text()).strip() if tag == "button" else attrs.get("alt") or value
        overrides = [(key, attrs.get(key) or "") for key in ("formaction", "formmethod", "formenctype") if key in attrs]
        identity = attrs.get("id") or ""
        return Control(
            name, kind, (value,), (), is_disabled, label=label, identity=identity, overrides=tuple(overrides)
        )
    values = ("",) if kind == "file" else (_sanitized(kind, value, element),)
    return Control(name, kind, values, (), is_disabled, "" if kind == "file" else direction, is_rtl=is_rtl)


def _sanitized(kind: str, value: str, element: Element) -> str:
    """The value as the browser has it before anybody types: section 4.10.5.1, "value sanitization algorithm"."""
    if kind == "hidden":
        return value
    if kind == "color":
        return value.lower() if _COLOR.fullmatch(value) else "#000000"
    value = value.replace("\r", "").replace("\n", "")
    if kind in ("email", "url"):
        return value.strip()
    if kind in ("number", "range") and _float(value) is None:
        if kind == "number":
            return ""
        least, most = _float(element.attrs.get("min") or ""), _float(element.attrs.get("max") or "")
        low = 0.0 if least is None else least
        high = 100.0 if most is None else most
        return f"{low + (high - low) / 2 if high >= low else low:g}"
    return value


def _float(text: str) -> float | None:
    found = _FLOAT.fullmatch(text)
    return None if found is None else float(text)


def _selected(select: Element) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a select sends, and what it could."""
    is_multiple = "multiple" in select.attrs
    size = select.attrs.get("size") or ""
    is_list = is_multiple or (size.isdigit() and int(size[:9]) > 1)
    options: list[str] = []
    chosen: list[tuple[str, bool]] = []
    first: str | None = None
    for option in select.css("option"):
        value = option.attrs.get("value", None) if "value" in option.attrs else _SPACE.sub(" ", option.text()).strip()
        group = option.parent
        is_disabled = "disabled" in option.attrs or (
            group is not None and group.tag == "optgroup" and "disabled" in group.attrs
        )
        if not is_disabled:
            options.append(value or "")
            first = (value or "") if first is None else first
        if "selected" in option.attrs:
            chosen.append((value or "", is_disabled))
    if not is_multiple:
        chosen = chosen[-1:]
        if not chosen and not is_list and first is not None:
            return (first,), tuple(options)
    return tuple([value for value, is_disabled in chosen if not is_disabled]), tuple(options)


def _one_radio_each(controls: list[Control]) -> list[Control]:
    """Of radio buttons with one name the last one that is checked stays so."""
    last = {control.name: index for index, control in enumerate(controls) if control.kind == "radio" and control.values}
    return [
        Control(control.name, control.kind, (), control.options, control.is_disabled)
        if control.kind == "radio" and control.values and last[control.name] != index
        else control
        for index, control in enumerate(controls)
    ]
