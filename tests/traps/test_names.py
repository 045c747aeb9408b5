from crawler.traps import names
from crawler.traps.names import MANY, Names


def site_of(hostname: str) -> str:
    """As a list with ``co.uk`` in it has it."""
    return ".".join(hostname.split(".")[-3 if hostname.endswith("co.uk") else -2 :])


def test_the_first_hosts_of_a_site_are_among_them_and_stay_so() -> None:
    known = Names(site_of)
    few = [f"{number}.site.example" for number in range(10)]

    assert all(known.is_among(name, 10)[0] for name in few)
    assert not known.is_among("11.site.example", 10)[0]
    assert all(known.is_among(name, 10)[0] for name in few)
    assert known.is_among("11.other.example", 10) == (True, "")


def test_a_host_that_the_user_names_is_none_too_many() -> None:
    known = Names(site_of)
    for number in range(10):
        known.is_among(f"{number}.site.example", 10)
    known.welcome("mine.site.example")

    assert known.is_among("mine.site.example", 10)[0]


def test_a_site_with_many_hosts_is_told() -> None:
    known = Names(site_of)
    told = [known.is_among(f"{number}.site.example", None)[1] for number in range(MANY + 10)]

    assert told == [""] * MANY + ["site.example"] * 10


def test_a_registry_is_no_site() -> None:
    known = Names(site_of)

    assert all(known.is_among(f"www.site{number}.co.uk", 5) == (True, "") for number in range(3 * MANY))
    assert [known.is_among(f"{number}.site7.co.uk", 5)[0] for number in range(5)] == [True] * 4 + [False]


def test_the_list_of_suffixes_is_not_asked_for_a_few_hosts() -> None:
    asked: list[str] = []
    known = Names(lambda hostname: asked.append(hostname) or hostname)
    for number in range(MANY):
        known.is_among(f"{number}.site.example", 1_000)
        known.is_among(f"www.site{number}.example", 1_000)

    assert asked == []


def test_addresses_are_no_names() -> None:
    known = Names(site_of)

    assert all(known.is_among(f"127.0.0.{number}", 2) == (True, "") for number in range(20))
    assert known.is_among("[::1]", 1) == (True, "")


def test_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(names, "_NAMES", 100)
    known = Names(site_of)
    for number in range(1_000):
        assert known.is_among(f"a{number % 2}.site{number // 2}.example", 10)[0]

    assert sum(map(len, known._groups.values())) == known._total <= 100
