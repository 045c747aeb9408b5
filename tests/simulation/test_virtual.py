"""The virtual clock and the thread that is none: time passes in jumps, in order, and an end that never comes is seen."""

import asyncio
from collections.abc import Iterator

import pytest
from virtual import Endless, Stuck, VirtualLoop, VirtualThread


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop(begin=100.0, steps=1000)
    yield loop
    loop.close()


def test_a_sleep_takes_its_time_and_no_longer(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.sleep(3600.0))

    assert loop.time() == 3700.0


def test_to_wait_for_what_nobody_will_do_is_an_error(loop: VirtualLoop) -> None:
    async def wait() -> None:
        await loop.create_future()

    task = loop.create_task(wait())
    with pytest.raises(Stuck):
        loop.run_until_complete(task)

    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))


def test_to_go_round_and_round_is_an_error(loop: VirtualLoop) -> None:
    async def turn() -> None:
        for _ in range(2000):
            await asyncio.sleep(0)

    task = loop.create_task(turn())
    with pytest.raises(Endless):
        loop.run_until_complete(task)


def test_a_thread_does_one_thing_after_the_other_and_answers_in_that_order(loop: VirtualLoop) -> None:
    seconds = iter([(1.0, 10.0), (0.0, 0.0), (2.0, 0.5)])
    thread = VirtualThread(loop, lambda: next(seconds))
    told: list[tuple[str, float]] = []

    async def ask(name: str) -> None:
        await loop.run_in_executor(thread, lambda: told.append((f"{name} happens", loop.time())))
        told.append((f"{name} is answered", loop.time()))

    async def ask_all() -> None:
        await asyncio.gather(*(ask(name) for name in "abc"))

    loop.run_until_complete(ask_all())

    assert told == [
        ("a happens", 101.0),
        ("b happens", 101.0),
        ("c happens", 103.0),
        ("a is answered", 111.0),
        ("b is answered", 111.0),
        ("c is answered", 111.0),
    ]


def test_what_is_cancelled_before_its_time_never_happens(loop: VirtualLoop) -> None:
    thread = VirtualThread(loop, lambda: (1.0, 0.0))
    done: list[str] = []

    async def ask() -> None:
        asked = loop.run_in_executor(thread, lambda: done.append("asked"))
        await asyncio.sleep(0.5)
        asked.cancel()
        await loop.run_in_executor(thread, lambda: done.append("asked after it"))

    loop.run_until_complete(ask())

    assert done == ["asked after it"]
