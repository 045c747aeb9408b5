"""From records to bytes."""

import gzip

import pytest

from crawler.errors import OutputError
from crawler.export.formats import FORMATS, GzipJsonLines, JsonLines, format_of
from crawler.outcome import Record


def test_json_lines_are_one_record_a_line():
    assert JsonLines().encode([]) == b""
    assert JsonLines().encode([Record(b'{"a":1}'), Record('"ü\\n"'.encode())]) == '{"a":1}\n"ü\\n"\n'.encode()


@pytest.mark.parametrize("form", FORMATS.values())
def test_a_format_can_go_on_after_any_group(form):
    one, two = Record(b'{"a":1}'), Record(b'{"b":2}')
    groups, whole = form().encode([one]) + form().encode([two]), form().encode([one, two])
    assert decoded(groups) == decoded(whole) == b'{"a":1}\n{"b":2}\n'


def decoded(data):
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL", "deep/a.b.jsonl", "-"])
def test_the_ending_names_the_format(name):
    assert isinstance(format_of(name), JsonLines)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "A.JSONL.GZ"])
def test_the_longest_ending_counts(name):
    assert isinstance(format_of(name), GzipJsonLines)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a", "a: the ending names the format, as in a.jsonl"),
        (".jsonl", ".jsonl: the ending names the format"),
        ("a.json", "a.json: no format has the ending '.json'; there are .jsonl, .jsonl.gz, .csv"),
        ("a.csv.gz", "a.csv.gz: no format has the ending '.gz'; there are .jsonl, .jsonl.gz, .csv"),
    ],
)
def test_an_ending_that_names_none_is_refused_with_those_that_do(name, said):
    with pytest.raises(OutputError) as caught:
        format_of(name)
    assert str(caught.value).startswith(said)
