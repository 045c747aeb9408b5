"""Settings: their layers, their mistakes with their places, host tables, and where config.toml is found."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import (
    GROUPS,
    HOST_SETTINGS,
    SETTINGS,
    Project,
    find_project,
    read_pairs,
    read_project,
    resolve,
)
from crawler.errors import ConfigError
from crawler.fetch.fetcher import FetchOptions
from crawler.politeness.overrides import Overrides
from crawler.politeness.pace import Politeness
from crawler.spider import Spider
from crawler.traps.options import TrapOptions


class Books(Spider):
    settings = {"delay": 3.0}


class Plain(Spider):
    name = "books"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def project(text: str) -> Project:
    file = Path("config.toml").absolute()
    file.write_text(textwrap.dedent(text), "utf-8")
    return read_project(file)


def value(name: str, *args: Any, **named: Any) -> Any:
    return resolve(*args, environment={}, **named).values[name]


def problems(text: str, spider: type[Spider] | None = None, **named: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(project(text), spider, named.pop("overrides", None), named.pop("environment", {}), **named)
    return str(caught.value).splitlines()


def test_every_setting_has_a_meaning_a_default_of_its_type_and_one_home():
    fields = [name for group in GROUPS for name in group.__dataclass_fields__]
    assert sorted(fields) == sorted(SETTINGS)
    assert all(setting.description for setting in SETTINGS.values())
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    assert resolve(Project(Path()), None, defaults, {}, overrides_are_text=False).values == defaults


def test_the_names_that_users_rely_on():
    names = """concurrency concurrency_per_host delay obey_robots timeout retries max_depth max_pages max_items max_body
    user_agent allow_private_hosts durability parse_processes"""
    assert [name for name in names.split() if name not in SETTINGS] == []


def test_each_layer_wins_over_those_below_it():
    file = project("[crawl]\ndelay = 2.0\n[spider.books]\ndelay = 4.0\n")
    environment, overrides = {"CRAWL_DELAY": "5"}, {"delay": "6"}
    layers = [
        (None, resolve(Project(Path()), Plain, None, {})),
        (2.0, resolve(file, None, None, {})),
        (3.0, resolve(project("[crawl]\ndelay = 2.0"), Books, None, {})),
        (4.0, resolve(file, Books, None, {})),
        (5.0, resolve(file, Books, None, environment)),
        (6.0, resolve(file, Books, overrides, environment)),
    ]
    assert [settings.values["delay"] for _, settings in layers] == [expected for expected, _ in layers]
    assert [settings.origins["delay"] for _, settings in layers] == [
        "default",
        "config.toml:2 [crawl]",
        layers[2][1].origins["delay"],
        "config.toml:4 [spider.books]",
        "CRAWL_DELAY in the environment",
        "--set",
    ]
    assert layers[2][1].origins["delay"].endswith(f"test_config.py:{line_of('delay')} Books.settings")


def line_of(word: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if f'"{word}": 3.0' in line)


def test_the_options_of_a_stage_are_its_own_dataclass():
    settings = resolve(Project(Path()), None, {"timeout": "5", "delay": "1"}, {})
    assert settings.options(FetchOptions) == FetchOptions(timeout=5.0)
    assert settings.options(Politeness) == Politeness(delay=1.0)


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CRAWL_CONCURRENCY", "7")
    assert resolve(Project(Path())).values["concurrency"] == 7


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("concurrency", "10000", 10_000),
        ("concurrency", " 8 ", 8),
        ("delay", "0", 0.0),
        ("delay", "none", None),
        ("delay", "Null", None),
        ("delay", "unset", None),
        ("delay", "", None),
        ("obey_robots", "false", False),
        ("obey_robots", "True", True),
        ("obey_robots", "0", False),
        ("user_agent", "me/1.0", "me/1.0"),
        ("user_agent", "none", "none"),
        ("user_agent", "{odd", "{odd"),
        ("output", "{spider}.jsonl", "{spider}.jsonl"),
        ("headers", '{"X-A": "1"}', {"X-A": "1"}),
        ("headers", "{}", {}),
        ("durability", "process", "process"),
        ("parse_processes", "auto", "auto"),
        ("parse_processes", "2", 2),
        ("parse_processes", "unset", None),
        ("max_body", "1000", 1000),
    ],
)
def test_a_text_is_read_as_the_type_of_its_setting(name: str, text: str, expected: object):
    assert value(name, Project(Path()), None, {name: text}) == expected
    assert resolve(Project(Path()), None, None, {f"CRAWL_{name.upper()}": text}).values[name] == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("concurrency", "many", "expected a whole number"),
        ("concurrency", "1.5", "expected a whole number"),
        ("concurrency", "0", "expected a whole number >= 1"),
        ("concurrency", "100001", "expected a whole number <= 100000"),
        ("concurrency", "none", "expected a whole number"),
        ("delay", "-1", "expected a number >= 0.0"),
        ("delay", "nan", "expected a number >= 0.0"),
        ("delay", "inf", "expected a finite number"),
        ("timeout", "0", "expected a number > 0.0"),
        ("max_pages", "0", "expected a whole number >= 1"),
        ("obey_robots", "maybe", "expected true or false"),
        ("user_agent", "", "expected text of length >= 1"),
        ("durability", "pwer", "expected one of: power, process"),
        ("parse_processes", "some", "expected a whole number or auto"),
        ("parse_processes", "0", "expected a whole number >= 1"),
        ("headers", "X-A: 1", 'expected a table (in JSON: {"name": "value"})'),
        ("headers", '{"X-A": 1}', "expected text - at `$[...]`"),
        ("headers", '{"X-A"', "it is not JSON: Input data was truncated"),
        ("headers", "[]", 'expected a table (in JSON: {"name": "value"})'),
    ],
)
def test_a_text_that_is_no_value_of_its_setting_is_told_with_what_is(name: str, text: str, said: str):
    assert problems("", overrides={name: text}) == [f"--set: {name} = {text!r}: {said}"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('concurrency = "8"', "concurrency = '8': expected a whole number"),
        ("concurrency = 8.0", "concurrency = 8.0: expected a whole number"),
        ("concurrency = true", "concurrency = True: expected a whole number"),
        ("obey_robots = 1", "obey_robots = 1: expected true or false"),
        ("user_agent = 5", "user_agent = 5: expected text"),
        ("delay = nan", "delay = nan: expected a number >= 0.0"),
        ("delay = inf", "delay = inf: expected a finite number"),
        ("delay = [1]", "delay = [1]: expected a number or unset"),
        ("headers = {X-A = 1}", "headers = {'X-A': 1}: expected text - at `$[...]`"),
    ],
)
def test_a_file_has_types_of_its_own_and_is_read_strictly(toml: str, said: str):
    assert problems(f"[crawl]\n{toml}\n") == [f"config.toml:2 [crawl]: {said}"]


def test_a_file_can_take_back_what_the_spider_set():
    assert value("delay", project('[spider.books]\ndelay = "unset"'), Books) is None


def test_a_whole_number_will_do_where_a_number_is_asked_for():
    assert value("delay", project("[crawl]\ndelay = 2"), None) == 2.0


def test_headers_are_a_table():
    assert value("headers", project('[crawl.headers]\nX-A = "1"'), None) == {"X-A": "1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[crwl]\n", "config.toml:1: there is no table [crwl]. Did you mean 'crawl'? There are: [project], [crawl]"),
        ("\n[[crawl]]\n", "config.toml:2: crawl is a table: write [crawl]"),
        ("crawl = 3\n", "config.toml:1: crawl is a table: write [crawl]"),
        ("project = 3\n", "config.toml:1: project is a table: write [project]"),
        ("delay = 3\n", "config.toml:1: delay stands outside of every table: write it below [crawl]"),
        ("[project]\nspider = []\n", "config.toml:2: [project] has no 'spider'. Did you mean 'spiders'?"),
        ("[project]\nspiders = 'spiders'\n", "config.toml:2: spiders is a list of folders"),
        ("[project]\nspiders = [1]\n", "config.toml:2: spiders is a list of folders"),
        ("[spider]\ndelay = 3\n", "config.toml:2: [spider] holds one table for each spider: write [spider.NAME]"),
        ("[spider.my.site]\ndelay = 3\n", 'config.toml:1: write the whole name in quotes: [spider."my.site"]'),
    ],
)
def test_a_mistake_in_the_frame_of_the_file_is_told_with_its_line(text: str, said: str):
    with pytest.raises(ConfigError) as caught:
        project(text)
    assert str(caught.value).startswith(said)


def test_mistakes_in_the_frame_are_told_together():
    with pytest.raises(ConfigError) as caught:
        project("[crwl]\n[hosts]\n[project]\nfoo = 1\nbar = 2\n")
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[crawl\n", "config.toml:1:7: Expected ']'"),
        (b"[crawl]\ndelay = 1\ndelay = 2\n", "config.toml:3:10: Cannot overwrite a value; this is no TOML"),
        (b'[crawl]\na = "', "config.toml"),
        (b"[crawl]\nuser_agent = '\xff'\n", "config.toml is not in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_place(content: bytes, said: str):
    Path("config.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        find_project(Path.cwd())
    assert str(caught.value).startswith(said)


def test_a_file_that_may_not_be_opened_is_one_clear_error(monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    file = Path("config.toml").absolute()
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read: Permission denied"):
        read_project(file)


def test_a_byte_order_mark_is_no_mistake():
    Path("config.toml").write_bytes(b"\xef\xbb\xbf[crawl]\ndelay = 1\n")
    assert value("delay", find_project(Path.cwd()), None) == 1.0


def test_the_line_is_that_of_the_key_in_its_own_table():
    text = """\
    [crawl]
    delay = 1  # a good one
    timeout = 5

    [spider.books]
    "delay" = -2
    headers.timeout = 3

    [ spider . "other one" ]  # not asked for
    delay = -3
    """
    assert problems(text, Plain) == [
        "config.toml:6 [spider.books]: delay = -2: expected a number >= 0.0",
        "config.toml:7 [spider.books]: headers = {'timeout': 3}: expected text - at `$[...]`",
    ]


def test_the_line_of_a_dotted_key_and_of_an_inline_table():
    assert problems("crawl.dely = 1\n")[0].startswith("config.toml:1 [crawl]: there is no setting 'dely'")
    assert problems("\ncrawl = {dely = 1}\n")[0].startswith("config.toml:2 [crawl]: there is no setting 'dely'")
    assert problems('[spider."a b"]\n\n"dely" = 1\n', type("Odd", (Spider,), {"name": "a b"}))[0].startswith(
        'config.toml:3 [spider."a b"]: there is no setting'
    )


def test_the_table_of_another_spider_is_left_to_it():
    assert value("delay", project("[spider.other]\ndely = 1\n"), Plain) is None


def test_a_spider_s_settings_are_told_with_file_and_line():
    class Typo(Spider):
        settings = {
            "timeout": 5,
            "dely": 1,
        }

    [said] = problems("", Typo)
    line = Path(__file__).read_text().splitlines().index('            "dely": 1,') + 1
    assert f"test_config.py:{line} Typo.settings: there is no setting 'dely'. Did you mean 'delay'?" in said


def test_a_spider_s_settings_that_were_worked_out_are_told_with_the_class():
    class Made(Spider):
        settings = dict.fromkeys(["de" + "ly"], 1)

    assert "test_config.py Made.settings: there is no setting 'dely'" in problems("", Made)[0]


def test_a_spider_without_a_source_is_told_by_its_name():
    exec("class Typed(Spider):\n    settings = {'dely': 1}", scope := {"Spider": Spider, "__name__": "nowhere"})
    assert problems("", scope["Typed"])[0].startswith("Typed.settings: there is no setting 'dely'")


def test_settings_of_a_call_have_their_types():
    assert value("delay", Project(Path()), None, {"delay": 1}, overrides_are_text=False) == 1.0
    assert problems("", overrides={"delay": "1", "dely": 1}, overrides_are_text=False) == [
        "settings=: delay = '1': expected a number or unset",
        "settings=: there is no setting 'dely'. Did you mean 'delay'? `crawl settings` shows them all",
    ]


def test_variables_of_other_programs_are_none_of_ours():
    assert value("delay", Project(Path()), None) is None
    resolve(Project(Path()), None, None, {"CRAWLER_X": "1", "XCRAWL_DELAY": "x", "PATH": "/bin"})


def test_host_tables_hold_the_courtesy_of_one_host():
    file = project(
        """
        [host."Example.COM"]
        delay = 2
        [host."*.wild.example"]
        obey_robots = false
        [host."münchen.example"]
        concurrency_per_host = 1
        [host.localhost]
        delay = 0
        [host."[::1]"]
        delay = 1
        """
    )
    assert resolve(file, None, None, {}).hosts == {
        "example.com": {"delay": 2.0},
        "wild.example": {"obey_robots": False},
        "xn--mnchen-3ya.example": {"concurrency_per_host": 1},
        "localhost": {"delay": 0.0},
        "[::1]": {"delay": 1.0},
    }


def test_host_tables_hold_the_way_to_one_host():
    file = project(
        """
        [crawl]
        timeout = 9
        [host."a.example"]
        delay = 2
        contact = "https://a.example/bot"
        proxies = ["http://p:1"]
        verify_tls = false
        ca_file = "ca.pem"
        [host."b.example"]
        delay = 3
        """
    )
    settings = resolve(file, None, None, {})
    assert settings.hosts_of(Politeness) == {"a.example": {"delay": 2.0}, "b.example": {"delay": 3.0}}
    own = {
        "contact": "https://a.example/bot",
        "proxies": ("http://p:1",),
        "verify_tls": False,
        "ca_file": str(file.root / "ca.pem"),
    }
    assert settings.hosts_of(FetchOptions) == {"a.example": own, "b.example": {}}
    options = Overrides(settings.options(FetchOptions), settings.hosts_of(FetchOptions))
    assert options.of("www.a.example") == FetchOptions(timeout=9.0, **own)
    assert options.of("b.example") is options.default


def test_every_setting_of_a_host_is_one_of_politeness_of_fetching_or_of_traps():
    assert {SETTINGS[name].group for name in HOST_SETTINGS} == {Politeness, FetchOptions, TrapOptions}
    assert len(set(HOST_SETTINGS)) == len(HOST_SETTINGS)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('contact = "example.org"', "contact: write a URL (https://example.org/bot) or an e-mail address"),
        ('proxies = ["proxy:3128"]', "proxies: 'proxy:3128' is no URL of a proxy"),
        ('proxies = ["http://ann:s3cret@h:x"]', "proxies: 'http://ann:***@h:x' is no URL of a proxy"),
        ('proxies = ["http://ann:${NO_SUCH}@h:1"]', "proxies: there is no variable NO_SUCH in the environment"),
        ('proxies = "http://ann:s3cret@h:1"', "proxies = 'http://ann:***@h:1': expected a list"),
        ('credentials = {"a.example" = "basic s3cret:s3cret"}', "credentials: 'a.example' is no origin: write"),
        ('credentials = {"https://a.example" = "s3cret"}', 'credentials: https://a.example: write "basic user:passwo'),
        ('credentials = {"https://a.example" = "bearer ${NO_SUCH}"}', "credentials: there is no variable NO_SUCH"),
        ('credentials = "bearer s3cret"', "credentials = '***': expected a table"),
        ('credentials = {"https://a.example" = 3}', "credentials = {'https://a.example': '***'}: expected text"),
        ('user_agent = "a\\nb"', "user_agent: there is a line break or another control character in it"),
        ('headers = {"X Key" = "s3cret"}', "headers: 'X Key' is no name of a header"),
        ('headers = {X-Key = "s3cret\\r\\n"}', "headers: there is a line break or another control character in X-Key"),
        (
            'headers = {Authorization = "Bearer s3cret"}',
            "headers: Authorization would be sent to every host that these headers are for: write it",
        ),
        ('headers = {"X-Api-Key" = "s3cret", a = 3}', "headers = {'X-Api-Key': '***', 'a': 3}: expected text"),
    ],
)
def test_a_mistake_in_how_hosts_are_asked_is_told_without_its_secret(toml: str, said: str):
    [problem] = problems(f"[crawl]\n{toml}\n")
    assert problem.startswith(f"config.toml:2 [crawl]: {said}")
    assert "s3cret" not in problem


def test_secrets_of_the_environment_are_not_in_the_settings():
    file = project(
        """
        [crawl]
        proxies = ["http://ann:${PASSWORD}@h:1"]
        [crawl.credentials]
        "https://a.example" = "bearer ${TOKEN}"
        """
    )
    values = resolve(file, None, None, {"PASSWORD": "s3cret", "TOKEN": "s3cret"}).values
    assert values["proxies"] == ("http://ann:${PASSWORD}@h:1",)
    assert values["credentials"] == {"https://a.example": "bearer ${TOKEN}"}


def test_proxies_are_given_as_a_list_on_the_command_line_too():
    given = {"proxies": '["http://h:1", "socks5://h:2"]'}
    assert value("proxies", Project(Path()), None, given) == ("http://h:1", "socks5://h:2")


def test_files_are_found_from_the_folder_of_config_toml(tmp_path: Path):
    file = project("[crawl]\nca_file = 'tls/ca.pem'\nclient_key = '/etc/key.pem'\n")
    values = resolve(file, None, None, {}).values
    assert (values["ca_file"], values["client_key"]) == (str(file.root / "tls/ca.pem"), "/etc/key.pem")
    assert (values["client_certificate"], values["contact"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[host.example.com]\ndelay = 1", 'config.toml:1: write the whole name in quotes: [host."example.com"]'),
        (
            "[host.www.example.org]\ndelay = 1",
            'config.toml:1: write the whole name in quotes: [host."www.example.org"]',
        ),
        ("[host]\ndelay = 1", 'config.toml:2: [host] holds one table for each host: write [host."example.com"]'),
        ('[host."https://a.example/"]', "config.toml:1: 'https://a.example/' is no host name; write it without scheme"),
        ('[host."a.example:8080"]', "config.toml:1: 'a.example:8080' is no host name"),
        ('[host."a b"]', "config.toml:1: 'a b' is no host name"),
        (
            '[host."a.example"]\ndely = 1',
            "config.toml:2 [host.\"a.example\"]: there is no setting 'dely'. Did you mean 'delay'?",
        ),
        ('[host."a.example"]\ndelay = -1', 'config.toml:2 [host."a.example"]: delay = -1: expected a number >= 0.0'),
        (
            '[host."a.example"]\nmax_depth = 1',
            f'config.toml:2 [host."a.example"]: max_depth cannot be set for one host; what can: {", ".join(HOST_SETTINGS)}',
        ),
    ],
)
def test_a_mistake_in_a_host_table_is_told_with_its_line(text: str, said: str):
    [problem] = problems(text)
    assert problem.startswith(said)


def test_the_project_is_the_nearest_config_toml_above():
    outer = project("[crawl]\n")
    below = Path("a/b").absolute()
    below.mkdir(parents=True)
    assert find_project(below).root == outer.root
    (below / "config.toml").write_text("")
    assert find_project(below / "c").root == below
    assert find_project(below / "c").spider_folders == [below / "spiders"]


def test_without_a_config_toml_the_project_is_the_working_directory(tmp_path: Path):
    found = find_project(tmp_path / "nowhere")
    assert (found.root, found.file, found.place("crawl")) == (tmp_path / "nowhere", None, "config.toml")


def test_the_folders_of_spiders_are_those_that_are_named():
    file = project('[project]\nspiders = ["one", "deep/two"]')
    assert file.spider_folders == [file.root / "one", file.root / "deep/two"]


def test_output_belongs_to_the_project_or_to_the_crawl():
    assert value("output", project('[project]\noutput = "a.jsonl"'), None) == "a.jsonl"
    assert value("output", project('[project]\noutput = "a.jsonl"\n[crawl]\noutput = "b.jsonl"'), None) == "b.jsonl"
    assert problems("[project]\noutput = 5") == ["config.toml:2 [project]: output = 5: expected text"]


@pytest.mark.parametrize(
    ("pairs", "read"),
    [([], {}), (["a=1", "b = x=y"], {"a": "1", "b": " x=y"}), (["a=1", "a=2"], {"a": "2"}), (["a="], {"a": ""})],
)
def test_pairs_are_split_at_their_first_equals_sign(pairs: list[str], read: dict[str, str]):
    assert read_pairs(pairs, "-a") == read


@given(st.text(max_size=40))
def test_no_text_of_a_setting_ends_in_anything_but_a_value_or_a_config_error(text: str):
    for name in ("delay", "concurrency", "obey_robots", "headers", "user_agent", "durability", "max_pages"):
        said = mistake(lambda name=name: resolve(Project(Path()), None, {name: text}, {}))
        assert said is None or said.startswith((f"--set: {name} = ", f"--set: {name}: "))


def mistake(function: Callable[[], object]) -> str | None:
    """What the ConfigError says that *function* raises; None if it raises none."""
    try:
        function()
    except ConfigError as error:
        return str(error)
    return None


@given(st.text(max_size=60))
def test_no_config_toml_ends_in_anything_but_settings_or_a_config_error(text: str):
    Path("config.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert mistake(lambda: resolve(find_project(Path.cwd()), None, None, {})) != ""
