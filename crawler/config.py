"""Settings: from config.toml, the spider, the environment and the command line to the options of each stage.

Later layers win: default < ``[crawl]`` < ``Spider.settings`` < ``[spider.NAME]`` < environment < ``--set``.
Every mistake in every layer is reported at once, with its place and the nearest right name.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from os.path import relpath
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from crawler.discovery import nearest
from crawler.engine.commit import CommitOptions
from crawler.engine.stages import EngineOptions
from crawler.errors import ConfigError
from crawler.export.sink import ExportOptions
from crawler.fetch.cache_options import CacheOptions
from crawler.fetch.fetcher import CHECKS, FILES, PER_HOST, FetchOptions
from crawler.frontier.frontier import FrontierOptions
from crawler.http.credentials import concealed
from crawler.parse.links import LinkOptions
from crawler.parse.pool import PoolOptions
from crawler.politeness.pace import Politeness
from crawler.politeness.retry import Retry
from crawler.spider import Spider
from crawler.traps.options import TrapOptions
from crawler.urls.canonical import CanonicalOptions
from crawler.urls.url import address

FILE = "config.toml"
ENVIRONMENT = "CRAWL_"
GROUPS = (
    EngineOptions,
    Politeness,
    FrontierOptions,
    TrapOptions,
    CanonicalOptions,
    FetchOptions,
    CacheOptions,
    Retry,
    PoolOptions,
    LinkOptions,
    ExportOptions,
    CommitOptions,
)
"""The options that each stage declares beside itself. A new knob is a field there, and known here."""
_TABLES = ("project", "crawl", "spider", "host")
_PROJECT_KEYS = ("spiders", "output")
_UNSET = ("", "none", "null", "unset")
"""What a person may write for "no value", in any case; TOML and a command line have no word of their own for it."""
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "array": 'a list (in JSON: ["one", "two"])',
    "object": 'a table (in JSON: {"name": "value"})',
    "null": "unset",
}
"""msgspec's words, in a user's."""
_HEADER = re.compile(r"\s*\[\[?(.+?)\]\]?\s*(?:#.*)?$")

Values = Mapping[str, Any]  # Any: as TOML, a user's dict or a string gives it
G = TypeVar("G")


class Setting(NamedTuple):
    """One knob."""

    name: str
    group: type
    type: Any  # a type expression, with its bounds
    default: Any  # of that type
    description: str


class Layer(NamedTuple):
    """Some values, and where they come from."""

    values: Values
    place_of: Callable[[str], str]
    """Where the value of a name stands, as a message says it: ``config.toml:7 [crawl]``, ``--set``."""
    are_text: bool = False
    """Whether the values are strings, to be read as their type."""


@dataclass(frozen=True)
class Project:
    """A config.toml, and the folder that it stands in. Without one: the working directory, and nothing set."""

    root: Path
    file: Path | None = None
    tables: Values = dataclasses.field(default_factory=dict)

    @property
    def spider_folders(self) -> list[Path]:
        """Where spiders are looked for: ``[project] spiders``, else ``spiders`` beside config.toml."""
        named: list[str] = self.tables.get("project", {}).get("spiders", ["spiders"])
        return [self.root / name for name in named]

    def place(self, *path: str) -> str:
        """``config.toml:7``, the line of the key or table at *path*, or of the nearest one around it."""
        if self.file is None:
            return FILE
        while path and path not in self._lines:
            path = path[:-1]
        line = f":{self._lines[path]}" if path else ""
        return f"{_shorter(self.file)}{line}"

    @cached_property
    def _lines(self) -> Mapping[tuple[str, ...], int]:
        """The first line of each table and key."""
        assert self.file is not None
        lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.file.read_text("utf-8-sig", "replace").splitlines(), 1):
            header = _HEADER.match(line)
            if header:
                table = _path(header[1])
            path = table if header else (*table, *_path(line.partition("=")[0])) if "=" in line else ()
            for length in range(1, len(path) + 1):
                lines.setdefault(path[:length], number)
        return lines


@dataclass(frozen=True)
class Settings:
    """Every setting's value, and who set it."""

    values: Values
    origins: Mapping[str, str]
    hosts: Mapping[str, Values]

    def options(self, group: type[G]) -> G:
        """The options of one stage."""
        return group(**{name: self.values[name] for name, setting in SETTINGS.items() if setting.group is group})

    def hosts_of(self, group: type) -> dict[str, Values]:
        """What of one stage's options differs for some hosts; nothing in a table that is about others alone."""
        return {
            host: {name: value for name, value in table.items() if SETTINGS[name].group is group}
            for host, table in self.hosts.items()
        }


def _settings_of(group: type) -> Iterable[Setting]:
    hints = get_type_hints(group, include_extras=True)
    for field in dataclasses.fields(group):
        described = next((meta for meta in hints[field.name].__metadata__ if meta.description), None)
        yield Setting(field.name, group, hints[field.name], _default(field), described.description if described else "")


def _default(field: dataclasses.Field[Any]) -> Any:  # Any: of the field's type
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


SETTINGS: dict[str, Setting] = {setting.name: setting for group in GROUPS for setting in _settings_of(group)}
HOST_SETTINGS = (*(field.name for group in (Politeness, TrapOptions) for field in dataclasses.fields(group)), *PER_HOST)
"""What a ``[host."example.com"]`` table may hold."""


def find_project(start: Path) -> Project:
    """The nearest config.toml in *start* or above it.

    :raises ConfigError: it is no TOML, or has tables or ``[project]`` keys that do not exist
    """
    for folder in (start, *start.parents):
        file = folder / FILE
        if file.is_file():
            return read_project(file)
    return Project(start)


def read_project(file: Path) -> Project:
    """
    :raises ConfigError: *file* is no TOML, or has tables or ``[project]`` keys that do not exist
    """
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        message, _, position = str(error).removesuffix(")").partition(" (at line ")
        line, _, column = position.partition(", column ")
        where = f":{line}:{column}" if column else ""
        raise ConfigError(f"{_shorter(file)}{where}: {message}; this is no TOML") from None
    except RecursionError:
        raise ConfigError(f"{_shorter(file)}: its values are too deep inside each other") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{_shorter(file)} is not in UTF-8: {error}") from None
    except OSError as error:
        raise ConfigError(f"{_shorter(file)} cannot be read: {error.strerror}") from None
    project = Project(file.parent, file, tables)
    problems = list(_check_tables(project))
    if problems:
        raise ConfigError("\n".join(problems))
    return project


def resolve(
    project: Project,
    spider: type[Spider] | None = None,
    overrides: Values | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    overrides_are_text: bool = True,
) -> Settings:
    """Every setting, from its layers.

    :param spider: None for what holds for every spider
    :param overrides: ``--set`` of the command line, or ``settings=`` of a call
    :param environment: as ``os.environ``, which is the default
    :raises ConfigError: with every unknown name and every bad value, each with its place
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    values = {name: setting.default for name, setting in SETTINGS.items()}
    origins = dict.fromkeys(SETTINGS, "default")
    finish = partial(_finished, project.root, environment)
    for layer in _layers(project, spider, overrides or {}, environment, overrides_are_text, problems):
        for name, value in _checked(layer, SETTINGS, finish, problems):
            values[name] = value
            origins[name] = layer.place_of(name)
    hosts = _hosts(project, finish, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return Settings(values, origins, hosts)


def read_pairs(pairs: Iterable[str], option: str) -> dict[str, str]:
    """``key=value`` of ``-a`` and ``--set``.

    :raises ConfigError: one has no ``=``
    """
    read = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{option} {pair}: write {option} key=value")
        read[key.strip()] = value
    return read


def _layers(
    project: Project,
    spider: type[Spider] | None,
    overrides: Values,
    environment: Mapping[str, str],
    overrides_are_text: bool,
    problems: list[str],
) -> Iterable[Layer]:
    """The layers, lowest first."""
    tables = project.tables
    output = {key: value for key, value in tables.get("project", {}).items() if key == "output"}
    yield Layer(output, partial(_place_in_file, project, "project"))
    yield Layer(tables.get("crawl", {}), partial(_place_in_file, project, "crawl"))
    if spider is not None:
        own: object = spider.settings
        if isinstance(own, Mapping):
            yield Layer(own, partial(_place_in_class, spider))
        else:
            problems.append(f'{spider.__name__}.settings is a dict, as in settings = {{"delay": 1.0}}')
        table = tables.get("spider", {}).get(spider.name, {})
        yield Layer(table, partial(_place_in_file, project, "spider", spider.name))
    variables = {
        name.removeprefix(ENVIRONMENT).lower(): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT)
    }
    yield Layer(variables, lambda name: f"{ENVIRONMENT}{name.upper()} in the environment", are_text=True)
    last = "--set" if overrides_are_text else "settings="
    yield Layer(overrides, lambda _: last, are_text=overrides_are_text)


def _checked(
    layer: Layer, known: Mapping[str, Setting], finish: Callable[[str, Any], Any], problems: list[str]
) -> Iterable[tuple[str, Any]]:
    for name, given in layer.values.items():
        setting = known.get(name)
        if setting is None:
            problems.append(f"{layer.place_of(name)}: {_no_setting(name, known)}")
            continue
        try:
            yield name, finish(name, _convert(given, setting.type, layer.are_text))
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            shown = concealed(name, given)
            problems.append(f"{layer.place_of(name)}: {name} = {shown!r}: {_in_words(error, setting.type)}")
        except RecursionError:
            problems.append(f"{layer.place_of(name)}: {name}: its values are too deep inside each other")
        except ValueError as error:
            problems.append(f"{layer.place_of(name)}: {name}: {error}")


def _finished(root: Path, environment: Mapping[str, str], name: str, value: Any) -> Any:  # Any: of the setting's type
    """*value*, if there is nothing wrong with it that its type cannot say. Files are found from config.toml's folder."""
    if value is not None and name in CHECKS:
        CHECKS[name](value, environment)
    return str(root / value) if name in FILES and value is not None else value


def _no_setting(name: str, known: Mapping[str, Setting]) -> str:
    if name in SETTINGS:
        return f"{name} cannot be set for one host; what can: {', '.join(known)}"
    return f"there is no setting {name!r}{nearest(name, known)} `crawl settings` shows them all"


def _convert(given: Any, kind: Any, is_text: bool) -> Any:  # Any: a value and a type expression
    if isinstance(given, str) and given.strip().lower() in _UNSET and _takes(None, kind):
        return None
    value = given.strip() if is_text and isinstance(given, str) else given
    if is_text and isinstance(value, str) and value[:1] in ("{", "[") and not _takes(value, kind):
        value = msgspec.json.decode(value)
    converted = msgspec.convert(value, kind, strict=not is_text)
    if isinstance(converted, float) and math.isinf(converted):
        raise msgspec.ValidationError("expected a finite number")
    return converted


def _in_words(error: Exception, kind: Any) -> str:  # Any: a type expression
    """msgspec's message for people: what is expected; what was given stands before it."""
    message = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return f"it is not JSON: {message}"
    if "enum" in message:
        return f"expected {_words(get_args(kind)[0])}"
    message = re.sub(r", got `\w+`", "", message)
    message = re.sub(r"`([\w |]+)`", lambda found: " or ".join(_KINDS[kind] for kind in found[1].split(" | ")), message)
    return message[:1].lower() + message[1:]


def _words(kind: Any) -> str:  # Any: a type expression with a Literal in it
    """``one of: power, process``; ``a whole number or auto``."""
    if get_origin(kind) is Literal:
        return "one of: " + ", ".join(get_args(kind))
    others = [get_args(each) for each in get_args(kind) if get_origin(each) is not Literal and each is not type(None)]
    words = [_KINDS[bare.__name__] for bare, *_ in others]
    return " or ".join(
        [*words, *(word for each in get_args(kind) if get_origin(each) is Literal for word in get_args(each))]
    )


def _takes(value: object, kind: Any) -> bool:  # Any: a type expression
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _hosts(project: Project, finish: Callable[[str, Any], Any], problems: list[str]) -> dict[str, Values]:
    """The ``[host."…"]`` tables, under the names that URLs have."""
    hosts: dict[str, Values] = {}
    known = {name: SETTINGS[name] for name in HOST_SETTINGS}
    for host, table in project.tables.get("host", {}).items():
        place = project.place("host", host)
        target = address(f"http://{host.removeprefix('*.')}/")
        if not isinstance(table, dict):
            problems.append(f'{place}: [host] holds one table for each host: write [host."example.com"]')
        elif dotted := _dotted(table, host):
            problems.append(f'{place}: write the whole name in quotes: [host."{dotted}"]')
        elif target is None or target.href != f"http://{target.hostname}/":
            problems.append(f'{place}: {host!r} is no host name; write it without scheme, port and path: "example.com"')
        else:
            layer = Layer(table, partial(_place_in_file, project, "host", host))
            hosts[target.hostname] = dict(_checked(layer, known, finish, problems))
    return hosts


def _dotted(table: Values, name: str) -> str:
    """The name that was meant, where TOML read its dots as tables in tables; empty if it did not."""
    for key, value in table.items():
        if isinstance(value, dict) and key not in SETTINGS:
            return _dotted(value, f"{name}.{key}") or f"{name}.{key}"
    return ""


def _check_tables(project: Project) -> Iterable[str]:
    for table, content in project.tables.items():
        if table in SETTINGS and not isinstance(content, dict):
            yield f"{project.place(table)}: {table} stands outside of every table: write it below [crawl]"
        elif table not in _TABLES:
            there = ", ".join(f"[{name}]" for name in _TABLES)
            yield f"{project.place(table)}: there is no table [{table}]{nearest(table, _TABLES)} There are: {there}"
        elif not isinstance(content, dict):
            yield f"{project.place(table)}: {table} is a table: write [{table}]"
        elif table == "project":
            yield from _check_project(project, content)
        elif table == "spider":
            yield from _check_spiders(project, content)


def _check_project(project: Project, table: Values) -> Iterable[str]:
    for key in table:
        if key not in _PROJECT_KEYS:
            there = ", ".join(_PROJECT_KEYS)
            hint = nearest(key, _PROJECT_KEYS)
            yield f"{project.place('project', key)}: [project] has no {key!r}{hint} There are: {there}"
    spiders = table.get("spiders", [])
    if not isinstance(spiders, list) or not all(isinstance(folder, str) for folder in spiders):
        yield f'{project.place("project", "spiders")}: spiders is a list of folders, as in spiders = ["spiders"]'


def _check_spiders(project: Project, table: Values) -> Iterable[str]:
    for name, content in table.items():
        place = project.place("spider", name)
        if not isinstance(content, dict):
            yield f"{place}: [spider] holds one table for each spider: write [spider.NAME], or [crawl] for all of them"
        elif dotted := _dotted(content, name):
            yield f'{place}: write the whole name in quotes: [spider."{dotted}"]'


def _path(key: str) -> tuple[str, ...]:
    """The parts of a TOML key: ``host."example.com"`` has two. None of them if it is no key."""
    try:
        nested: Any = tomllib.loads(f"{key} = 0")  # Any: tables in tables
    except (tomllib.TOMLDecodeError, RecursionError):
        return ()
    parts = []
    while isinstance(nested, dict) and nested:  # empty: the line is a comment
        [(part, nested)] = nested.items()
        parts.append(part)
    return tuple(parts)


def _place_in_file(project: Project, *path: str) -> str:
    """``config.toml:7 [crawl]``; the last part of *path* is the key."""
    table = ".".join(part if part.isidentifier() else f'"{part}"' for part in path[:-1])
    return f"{project.place(*path)} [{table}]"


def _place_in_class(spider: type[Spider], name: str) -> str:
    """``spiders/books.py:12 Books.settings``; without the line where the source is not at hand."""
    place = f"{spider.__name__}.settings"
    try:
        lines, first = inspect.getsourcelines(spider)
        file = inspect.getsourcefile(spider) or ""
    except (OSError, TypeError):  # typed into a notebook, or made by a function
        return place
    for number, line in enumerate(lines, first):
        if f'"{name}"' in line or f"'{name}'" in line:
            return f"{_shorter(Path(file))}:{number} {place}"
    return f"{_shorter(Path(file))} {place}"


def _shorter(file: Path) -> str:
    """Its path from here, if that is shorter."""
    return min(str(file), relpath(file), key=len)
