"""Settings: from config.toml, the spider, the environment and the command line to the options of each stage.

Later layers win: default < ``[crawl]`` < ``Spider.settings`` < ``[spider.NAME]`` < environment < ``--set``.
Every mistake in every layer is reported at once, with its place and the nearest right name.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

import msgspec

from crawler.discovery import nearest
from crawler.engine.commit import CommitOptions
from crawler.engine.worker import EngineOptions
from crawler.errors import ConfigError
from crawler.export.sink import ExportOptions
from crawler.fetch.fetcher import FetchOptions
from crawler.frontier.frontier import FrontierOptions
from crawler.parse.pool import PoolOptions
from crawler.politeness.pace import Politeness
from crawler.politeness.retry import Retry

FILE = "config.toml"
ENVIRONMENT = "CRAWL_"
GROUPS = (
    EngineOptions,
    Politeness,
    FrontierOptions,
    FetchOptions,
    Retry,
    PoolOptions,
    ExportOptions,
    CommitOptions,
)
"""The options that each stage declares beside itself. A new knob is a field there, and known here."""
_TABLES = ("project", "crawl", "spider", "host")
_PROJECT_KEYS = ("spiders", "output")

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
    """Where some values come from."""

    place: str
    """As a message says it: ``config.toml [crawl]``, ``CRAWL_DELAY``, ``--set``."""
    values: Values
    are_text: bool = False
    """Whether the values are strings, to be read as their type."""
    file: Path | None = None


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
        return [self.root / name for name in named if (self.root / name).exists()]


@dataclass(frozen=True)
class Settings:
    """Every setting's value, and who set it."""

    values: Values
    origins: Mapping[str, str]
    hosts: Mapping[str, Values]

    def options(self, group: type[G]) -> G:
        """The options of one stage."""
        return group(**{name: self.values[name] for name, setting in SETTINGS.items() if setting.group is group})


def _settings_of(group: type) -> Iterable[Setting]:
    hints = get_type_hints(group, include_extras=True)
    for field in dataclasses.fields(group):
        described = next((meta for meta in hints[field.name].__metadata__ if meta.description), None)
        yield Setting(field.name, group, hints[field.name], _default(field), described.description if described else "")


def _default(field: dataclasses.Field[Any]) -> Any:  # Any: of the field's type
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


SETTINGS: dict[str, Setting] = {setting.name: setting for group in GROUPS for setting in _settings_of(group)}
HOST_SETTINGS = tuple(field.name for field in dataclasses.fields(Politeness))
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
        tables = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    problems = []
    for table, content in tables.items():
        if table not in _TABLES:
            hint = nearest(table, _TABLES)
            problems.append(f"{_line(file, table)}: there is no table [{table}]{hint} There are: {', '.join(_TABLES)}")
        elif not isinstance(content, dict):
            problems.append(f"{_line(file, table)}: {table} is a table, as in [{table}]")
    problems += _check_project(file, tables.get("project", {}))
    if problems:
        raise ConfigError("\n".join(problems))
    return Project(file.parent, file, tables)


def resolve(
    project: Project,
    spider_name: str = "",
    spider_settings: Values | None = None,
    overrides: Values | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    overrides_are_text: bool = True,
) -> Settings:
    """Every setting, from its layers.

    :param overrides: ``--set`` of the command line, or ``settings=`` of a call
    :param environment: as ``os.environ``, which is the default
    :raises ConfigError: with every unknown name and every bad value, each with its place
    """
    environment = os.environ if environment is None else environment
    variables = {
        name.removeprefix(ENVIRONMENT).lower(): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT)
    }
    file, tables = project.file, project.tables
    output = {key: value for key, value in tables.get("project", {}).items() if key == "output"}
    own = tables.get("spider", {}).get(spider_name, {})
    layers = [
        Layer(f"{FILE} [project]", output, file=file),
        Layer(f"{FILE} [crawl]", tables.get("crawl", {}), file=file),
        Layer("the spider's settings", spider_settings or {}),
        Layer(f"{FILE} [spider.{spider_name}]", own, file=file),
        Layer("the environment", variables, are_text=True),
        Layer("--set" if overrides_are_text else "settings=", overrides or {}, are_text=overrides_are_text),
    ]
    values = {name: setting.default for name, setting in SETTINGS.items()}
    origins = dict.fromkeys(SETTINGS, "default")
    problems: list[str] = []
    for layer in layers:
        for name, value in _checked(layer, SETTINGS, problems):
            values[name] = value
            origins[name] = _place(layer, name)
    hosts = _hosts(project, problems)
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


def _checked(layer: Layer, known: Mapping[str, Setting], problems: list[str]) -> Iterable[tuple[str, Any]]:
    for name, given in layer.values.items():
        setting = known.get(name)
        if setting is None:
            problems.append(f"{_place(layer, name)}: there is no setting {name!r}{nearest(name, known)}")
            continue
        try:
            yield name, _convert(given, setting.type, layer.are_text)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            problems.append(f"{_place(layer, name)}: {name} = {given!r}: {_lower(str(error))}")


def _convert(given: Any, kind: Any, is_text: bool) -> Any:  # Any: a value and a type expression
    if not is_text:
        return msgspec.convert(given, kind)
    text = given.strip() if isinstance(given, str) else given
    if isinstance(text, str) and text[:1] in ("{", "["):
        return msgspec.convert(msgspec.json.decode(text), kind)
    if text in ("none", "None", "") and _allows_none(kind):
        return None
    return msgspec.convert(text, kind, strict=False)


def _allows_none(kind: Any) -> bool:  # Any: a type expression
    try:
        msgspec.convert(None, kind)
    except msgspec.ValidationError:
        return False
    return True


def _hosts(project: Project, problems: list[str]) -> dict[str, Values]:
    hosts: dict[str, Values] = {}
    known = {name: SETTINGS[name] for name in HOST_SETTINGS}
    for host, table in project.tables.get("host", {}).items():
        place = f'{FILE} [host."{host}"]'
        if not isinstance(table, dict):
            problems.append(f'{place}: write [host."example.com"], with the dots inside quotes')
            continue
        if any(isinstance(value, dict) for value in table.values()):
            problems.append(f'{place}: write the whole name in quotes, as in [host."{host}.com"]')
            continue
        hosts[host.lower()] = dict(_checked(Layer(place, table, file=project.file), known, problems))
    return hosts


def _check_project(file: Path, table: Values) -> list[str]:
    problems = [
        f"{_line(file, key)}: [project] has no {key!r}{nearest(key, _PROJECT_KEYS)}"
        for key in table
        if key not in _PROJECT_KEYS
    ]
    spiders = table.get("spiders", [])
    if not isinstance(spiders, list) or not all(isinstance(folder, str) for folder in spiders):
        problems.append(f'{_line(file, "spiders")}: spiders is a list of folders, as in spiders = ["spiders"]')
    return problems


def _place(layer: Layer, name: str) -> str:
    if layer.file is not None:
        return f"{_line(layer.file, name)} ({layer.place.removeprefix(FILE).strip()})"
    if layer.place == "the environment":
        return f"{ENVIRONMENT}{name.upper()} in the environment"
    return layer.place


def _line(file: Path, key: str) -> str:
    """``config.toml:12``, for the first line on which *key* is set or is a table."""
    pattern = re.compile(rf"^\s*(?:\[+\s*)?[\"']?{re.escape(key)}\b[\"']?\s*[\].=]")
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
        if pattern.match(line):
            return f"{file}:{number}"
    return str(file)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:].replace("`", "")
