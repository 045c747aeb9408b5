"""What the parse processes of test_pool.py run. They import it by its name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

context: object = None


class Odd(Exception):
    """Has more than a message, and has to arrive with all of it."""

    def __init__(self, url: str, line: int) -> None:
        super().__init__(url, line)
        self.url = url
        self.line = line


def prepare(given: object) -> None:
    global context
    context = given


def prepare_and_die(_: object) -> None:
    os._exit(3)


def prepare_and_hang(seconds: object) -> None:
    time.sleep(float(str(seconds)))


def double(number: int) -> int:
    return number * 2


def pid(_: object) -> int:
    return os.getpid()


def given_context(_: object) -> tuple[int, object]:
    return os.getpid(), context


def raise_odd(url: str) -> None:
    raise Odd(url, 7)


def raise_timeout(text: str) -> None:
    raise TimeoutError(text)


def unpicklable(_: object) -> object:
    return lambda: None


def obey(order: str) -> int:
    """``die``, ``exit``, ``leave`` and ``hang`` never answer; ``interrupt``, ``nap`` and any other word do."""
    if order == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "exit":
        os._exit(1)
    if order == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if order == "leave":
        if os.fork() == 0:  # a child, which holds whatever this process has open
            time.sleep(4)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "hang":
        time.sleep(60)
    if order == "nap":
        time.sleep(0.15)
    return os.getpid()


def hang_noting(path: str) -> None:
    """Write the process's number to *path*, then give no answer."""
    note(path)
    time.sleep(60)


def hang_if_path(path: str | None) -> int:
    if path is not None:
        hang_noting(path)
    return os.getpid()


def note(path: str) -> None:
    whole = Path(path).with_suffix(".new")
    whole.write_text(str(os.getpid()))
    whole.rename(path)  # whoever waits for it never sees half a number


def overlap(folder: str) -> int:
    """How many of these run at this moment, oneself included."""
    mark = Path(folder) / str(os.getpid())
    mark.touch()
    time.sleep(0.03)
    count = len(list(Path(folder).iterdir()))
    mark.unlink()
    return count


def allocate(mebibytes: int) -> int:
    return len(bytearray(mebibytes * 1024 * 1024))


def fall(order: tuple[int, str]) -> int:
    """The number of *order*; or the end of this process, in one of three ways, the first time that it is asked for it."""
    number, note = order
    if note:
        try:
            os.close(os.open(note, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return number
        if number % 3 == 2:
            os._exit(7)
        if number % 3:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV if number % 3 else signal.SIGKILL)
        time.sleep(10)
    return number


def work_for(task: tuple[float, bytes]) -> int:
    """Takes so many seconds. The process that did it."""
    seconds, _ = task
    time.sleep(seconds)
    return os.getpid()
