"""Both ends of a stream: the process's in a thread, as far as no process is needed."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import crawler.parse.stream as stream_module
from crawler.parse.stream import BEGUN, Answer, FarTraceback, Stream, pack, serve, unpack


class Ends(Stream):
    """The crawl's end, without a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer] = []
        self.drains = 0

    def answered(self, answer: Answer) -> None:
        self.answers.append(answer)

    def drained(self) -> None:
        self.drains += 1


def send_all(end: socket.socket, tasks: Iterable[object]) -> None:
    """As the crawl sends *tasks*, and no more after them."""
    for task in tasks:
        for part in pack(task).parts:
            end.sendall(part)
    end.shutdown(socket.SHUT_WR)


def answers_of(work: Callable[[Any], Any], *tasks: object, cut: int = 1 << 20) -> list[Answer]:
    """What a process answers to *tasks*, read in pieces of *cut* bytes."""
    ours, theirs = socket.socketpair()
    serving = threading.Thread(target=serve, args=(work, theirs, [0, 0]))
    serving.start()
    send_all(ours, tasks)
    stream = Ends()
    while data := ours.recv(cut):
        stream.data_received(data)
    serving.join(10)
    ours.close()
    assert not serving.is_alive()
    return stream.answers


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_answers_come_in_the_order_of_the_tasks_however_they_are_cut(cut: int) -> None:
    answers = answers_of(lambda number: number * 2, 1, 2, 3, cut=cut)
    assert [unpack(answer) for answer in answers] == [2, 4, 6]


def test_an_answer_longer_than_what_is_read_at_once_is_whole() -> None:
    (answer,) = answers_of(lambda size: b"x" * size, 3_000_000, cut=65_536)
    assert unpack(answer) == b"x" * 3_000_000


class Body:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Body, (pickle.PickleBuffer(self.body),)


def test_a_buffer_is_sent_as_it_is_and_arrives_as_bytes() -> None:
    body = bytes(range(256)) * 1_000
    parts = pack(Body(body)).parts
    assert isinstance(parts[-1], memoryview)
    assert parts[-1].obj is body
    assert len(parts[1]) < 200
    (answer,) = answers_of(lambda task: (type(task.body), task.body), Body(body))
    assert unpack(answer) == (bytes, body)


def test_an_empty_buffer_arrives_empty() -> None:
    (answer,) = answers_of(lambda task: task.body, Body(b""))
    assert unpack(answer) == b""


class Particular(Exception):
    """Cannot be made again of what pickle keeps of it."""

    def __init__(self, *, url: str) -> None:
        super().__init__(url)


class Unsendable(Exception):
    def __reduce__(self) -> Any:
        raise ValueError("it stays where it is")


def fail(kind: str) -> None:
    if kind == "exit":
        raise SystemExit(3)
    if kind == "unsendable":
        raise Unsendable("at home")
    if kind == "particular":
        raise Particular(url="http://a.test/")
    raise LookupError("not there")


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("lookup", LookupError, "not there"),
        ("exit", SystemExit, "3"),
        ("unsendable", RuntimeError, "Unsendable: at home"),
        ("particular", TypeError, "positional argument"),
    ],
)
def test_an_error_is_that_of_its_task_alone(kind: str, error: type[BaseException], words: str) -> None:
    first, second = answers_of(fail, kind, "lookup")
    with pytest.raises(error, match=words):
        unpack(first)
    with pytest.raises(LookupError) as caught:
        unpack(second)
    assert isinstance(caught.value.__cause__, FarTraceback)
    assert 'raise LookupError("not there")' in str(caught.value.__cause__)


def test_a_task_that_is_cut_off_ends_the_process_and_is_not_worked_on() -> None:
    ours, theirs = socket.socketpair()
    worked: list[object] = []
    serving = threading.Thread(target=serve, args=(worked.append, theirs, [0, 0]))
    serving.start()
    whole = b"".join(bytes(part) for part in pack(Body(b"x" * 100)).parts)
    ours.sendall(whole[:-1])
    ours.close()
    serving.join(10)
    assert (serving.is_alive(), worked) == (False, [])


def test_the_work_is_timed_where_it_is_done() -> None:
    answers = answers_of(lambda seconds: threading.Event().wait(seconds), 0.05, 0.0)
    assert answers[0].seconds >= 0.05 > answers[1].seconds


def sent_by(work: Callable[[Any], Any], tasks: int) -> list[int]:
    """How many answers were in each piece that a process sent which had all *tasks* before it began."""
    sizes: list[int] = []

    class Counting(socket.socket):
        def sendall(self, data: Any, flags: int = 0) -> None:
            stream = Ends()
            stream.data_received(bytes(data))
            sizes.append(len(stream.answers))
            super().sendall(data, flags)

    ours, theirs = socket.socketpair()
    send_all(ours, range(tasks))
    counts = [tasks, 0]
    serve(work, Counting(fileno=theirs.detach()), counts)
    ours.close()
    assert counts[BEGUN] == tasks
    return sizes


@pytest.mark.parametrize(("tasks", "sizes"), [(1, [1]), (2, [1, 1]), (8, [4, 2, 1, 1]), (50, [16, 16, 9, 5, 2, 1, 1])])
def test_answers_of_short_tasks_are_sent_together_while_more_tasks_wait(
    tasks: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "_HELD", 60.0)  # however slow the machine is
    assert sent_by(str, tasks) == sizes


def test_an_answer_is_not_held_back_after_a_task_that_took_long() -> None:
    assert sent_by(lambda _: threading.Event().wait(0.01), 4) == [1, 1, 1, 1]
