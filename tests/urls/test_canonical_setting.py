"""``canonicalization`` among the settings."""

from pathlib import Path

import pytest

from crawler.config import Project, resolve
from crawler.errors import ConfigError
from crawler.urls.canonical import DEFAULT_STEPS, CanonicalOptions

HERE = Project(Path())


def test_it_is_a_list_of_names_also_on_the_command_line() -> None:
    chosen = resolve(HERE, overrides={"canonicalization": '["drop_fragment", "drop_www"]'}, environment={})
    assert chosen.options(CanonicalOptions).canonicalization == ["drop_fragment", "drop_www"]
    assert resolve(HERE, environment={}).options(CanonicalOptions).canonicalization == list(DEFAULT_STEPS)


def test_what_is_no_list_is_an_error_in_words() -> None:
    with pytest.raises(ConfigError, match=r"canonicalization = 'drop_www': expected a list"):
        resolve(HERE, overrides={"canonicalization": "drop_www"}, environment={})
