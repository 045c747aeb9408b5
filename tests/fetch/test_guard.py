from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from crawler.fetch.guard import Guard, refused_address
from crawler.http.addresses import read_private_hosts


def info_of(ip: str) -> tuple[Any, ...]:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, 80))


@pytest.mark.parametrize("ip", ["10.0.0.1", "127.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%lo", "169.254.169.254"])
def test_a_socket_to_a_private_address_is_refused(ip: str) -> None:
    with pytest.raises(OSError, match="private address") as caught:
        Guard(read_private_hosts(False))(info_of(ip))
    assert caught.value.errno == errno.EACCES
    assert refused_address(caught.value) == ip


@pytest.mark.parametrize(
    ("permitted", "ip"), [(False, "8.8.8.8"), (True, "10.0.0.1"), (["10.0.0.0/8"], "10.0.0.1"), (["::1"], "::1")]
)
def test_a_socket_that_may_be_is_of_the_family_asked(permitted: bool | list[str], ip: str) -> None:
    with Guard(read_private_hosts(permitted))(info_of(ip)) as made:
        assert (made.family, made.type) == (info_of(ip)[0], socket.SOCK_STREAM)


def test_several_refusals_of_one_name_are_one_and_one_that_did_not_answer_makes_it_none() -> None:
    refused = "[Errno 13] 10.0.0.1 is a private address"
    both = OSError(errno.EACCES, f"Multiple exceptions: {refused}, [Errno 13] 10.0.0.2 is a private address")
    mixed = OSError(f"Multiple exceptions: {refused}, [Errno 111] Connect call failed ('8.8.8.8', 80)")
    assert refused_address(both) == "10.0.0.1"
    assert refused_address(mixed) == ""
    assert refused_address(OSError(errno.EACCES, "Permission denied")) == ""
