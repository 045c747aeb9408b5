"""From records to bytes, and back. A format is one class and one row in FORMATS."""

from __future__ import annotations

from pathlib import PurePath

from crawler.errors import MissingExtra, OutputError
from crawler.export.compress import Gzip, Zstd
from crawler.export.csv import Csv
from crawler.export.json import Json
from crawler.export.kinds import Growing, Lines, Made, Making, NotReadable, NotWritable
from crawler.export.lines import GzipJsonLines, JsonLines, ZstdJsonLines
from crawler.export.parquet import Parquet
from crawler.export.sqlite import Sqlite
from crawler.export.xml import Xml

__all__ = [
    "FORMATS",
    "Growing",
    "GzipJsonLines",
    "JsonLines",
    "Lines",
    "Made",
    "Making",
    "NotReadable",
    "NotWritable",
    "ending_of",
    "format_of",
]


class GzipCsv(Csv):
    coding = Gzip()


class ZstdCsv(Csv):
    coding = Zstd()


class GzipJson(Json):
    coding = Gzip()


class ZstdJson(Json):
    coding = Zstd()


class GzipXml(Xml):
    coding = Gzip()


class ZstdXml(Xml):
    coding = Zstd()


FORMATS: dict[str, type[Growing | Made]] = {
    ".jsonl": JsonLines,
    ".jsonl.gz": GzipJsonLines,
    ".jsonl.zst": ZstdJsonLines,
    ".json": Json,
    ".json.gz": GzipJson,
    ".json.zst": ZstdJson,
    ".csv": Csv,
    ".csv.gz": GzipCsv,
    ".csv.zst": ZstdCsv,
    ".xml": Xml,
    ".xml.gz": GzipXml,
    ".xml.zst": ZstdXml,
    ".parquet": Parquet,
    ".sqlite": Sqlite,
}
"""The ending of an output's name decides."""


def format_of(name: str) -> Growing | Made:
    """The format that the ending of *name* asks for; JSONL for ``-``, standard output.

    :raises OutputError: it names none, or one that needs a library which is not installed
    """
    if name == "-":
        return JsonLines()
    ending = ending_of(name)
    if ending not in FORMATS:
        raise OutputError(
            f"{name}: no format has the ending {ending!r}; there are {', '.join(FORMATS)}"
            if ending
            else f"{name}: the ending names the format, as in {name}.jsonl"
        )
    try:
        return FORMATS[ending]()
    except MissingExtra as error:  # no page's fault: nothing is started
        raise OutputError(f"{name}: {error}") from None


def ending_of(name: str) -> str:
    """What names the format of *name*: the longest ending that one has, else its suffix, which may be empty."""
    bare = PurePath(name).name.lower()
    known = [ending for ending in FORMATS if bare.endswith(ending) and bare != ending]
    return max(known, key=len) if known else PurePath(name).suffix.lower()
