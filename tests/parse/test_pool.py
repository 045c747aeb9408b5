from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pool_work as work
import pytest

from crawler.errors import NoParseProcess, ParseProcessDied, ParseTimeout
from crawler.parse import pool as pool_module
from crawler.parse.pool import ParsePool, PoolOptions


@asynccontextmanager
async def a_pool(
    function: Callable[[Any], Any],
    processes: int | None = 1,
    timeout: float = 30.0,
    prepare: Callable[[object], None] = work.prepare,
    context: object = None,
) -> AsyncIterator[ParsePool[Any, Any]]:
    pool: ParsePool[Any, Any] = ParsePool(function, prepare, context, PoolOptions(processes, timeout))
    try:
        yield pool
    finally:
        await pool.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def is_gone(pid: int, within: float = 5.0) -> bool:
    until = time.monotonic() + within
    while is_running(pid):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.01)
    return True


async def content(path: Path) -> str:
    while not path.exists():
        await asyncio.sleep(0.01)
    return path.read_text()


async def test_the_answer_comes_back_from_another_process() -> None:
    async with a_pool(work.double) as pool:
        assert await pool.run(21) == 42


async def test_each_process_is_prepared_once_with_the_context_and_is_used_again() -> None:
    async with a_pool(work.given_context, context={"spider": "books"}) as pool:
        first = await pool.run(None)
        assert first[1] == {"spider": "books"}
        assert await pool.run(None) == first
        assert first[0] != os.getpid()


async def test_nothing_is_started_before_it_is_needed() -> None:
    async with a_pool(work.pid, processes=4) as pool:
        assert len({await pool.run(None) for _ in range(3)}) == 1


async def test_what_the_work_raises_is_raised_here_whole() -> None:
    async with a_pool(work.raise_odd) as pool:
        with pytest.raises(work.Odd) as caught:
            await pool.run("http://a.example/")
        assert (caught.value.url, caught.value.line) == ("http://a.example/", 7)
        assert "raise Odd(url, 7)" in str(caught.value.__cause__)  # where it was raised, in the other process


async def test_an_exception_costs_no_process() -> None:
    async with a_pool(work.double) as pool:
        with pytest.raises(TypeError):
            await pool.run(None)
        assert await pool.run(1) == 2


async def test_a_timeout_that_the_work_raises_is_its_own() -> None:
    async with a_pool(work.raise_timeout) as pool:
        with pytest.raises(TimeoutError, match=r"^mine$"):
            await pool.run("mine")


async def test_a_task_that_cannot_be_sent_is_an_error_of_that_task() -> None:
    async with a_pool(work.double) as pool:
        with pytest.raises(Exception, match="pickle"):
            await pool.run(lambda: None)
        assert await pool.run(2) == 4


async def test_an_answer_that_cannot_be_sent_is_an_error_of_that_task() -> None:
    async with a_pool(work.unpicklable) as pool:
        with pytest.raises(Exception, match="pickle"):
            await pool.run(None)


@pytest.mark.parametrize("order", ["die", "exit"])
async def test_a_process_that_dies_fails_its_task_and_the_next_gets_a_fresh_one(order: str) -> None:
    async with a_pool(work.obey) as pool:
        before = await pool.run("report")
        with pytest.raises(ParseProcessDied, match="died"):
            await pool.run(order)
        after = await pool.run("report")
        assert after != before
        assert await is_gone(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only a fork holds what its parent had open")
async def test_a_process_that_dies_and_leaves_a_child_behind_is_missed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "_LONG", 0.1)
    async with a_pool(work.obey) as pool:
        with pytest.raises(ParseProcessDied):
            await asyncio.wait_for(pool.run("leave"), 3.0)


async def test_a_process_that_hangs_is_killed_and_the_next_task_gets_a_fresh_one() -> None:
    async with a_pool(work.obey, timeout=0.2) as pool:
        before = await pool.run("report")
        with pytest.raises(ParseTimeout, match=r"no answer in 0\.2 s"):
            await pool.run("hang")
        assert await is_gone(before)
        assert await pool.run("report") != before


async def test_a_death_does_not_disturb_the_tasks_of_other_processes() -> None:
    async with a_pool(work.obey, processes=2) as pool:
        napping = asyncio.create_task(pool.run("nap"))
        await asyncio.sleep(0)
        with pytest.raises(ParseProcessDied):
            await pool.run("die")
        assert isinstance(await napping, int)


async def test_a_process_that_died_while_idle_costs_no_task() -> None:
    async with a_pool(work.pid) as pool:
        first = await pool.run(None)
        os.kill(first, signal.SIGKILL)
        assert await is_gone(first)
        assert await pool.run(None) != first


async def warm(pool: ParsePool[Any, Any], pages: int = 30) -> int:
    """Let a process of *pool* show that its pages are short, so that more are sent ahead. Its number."""
    pids = {await pool.run("report") for _ in range(pages)}
    return int(pids.pop())


async def test_those_behind_a_page_that_kills_are_answered_by_a_fresh_process() -> None:
    async with a_pool(work.obey) as pool:
        before = await warm(pool)
        answers = await asyncio.gather(*map(pool.run, ["die", *["report"] * 5]), return_exceptions=True)
        assert isinstance(answers[0], ParseProcessDied)
        assert len(set(answers[1:])) == 1
        assert before not in answers


async def test_those_before_a_page_that_kills_are_answered_though_their_answers_were_held_back() -> None:
    async with a_pool(work.obey) as pool:
        await warm(pool)
        orders = [*["report"] * 5, "die", *["report"] * 5]
        answers = await asyncio.gather(*map(pool.run, orders), return_exceptions=True)
        assert isinstance(answers.pop(5), ParseProcessDied)
        assert {type(answer) for answer in answers} == {int}


async def test_without_a_number_there_are_more_processes_while_tasks_have_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "_WATCH", 0.05)
    monkeypatch.setattr(pool_module, "has_core", lambda cores, processes, own: processes + 1 < cores)
    monkeypatch.setattr(pool_module, "available_cores", lambda: 3)
    async with a_pool(work.obey, processes=None) as pool:
        pids = await asyncio.gather(*(pool.run("nap") for _ in range(24)))
        assert len(set(pids)) == 2  # the third core is the crawl's


async def test_without_a_number_and_without_a_core_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_WATCH", 0.05)
    monkeypatch.setattr(pool_module, "available_cores", lambda: 1)
    async with a_pool(work.obey, processes=None) as pool:
        assert len(set(await asyncio.gather(*(pool.run("nap") for _ in range(4))))) == 1


async def test_without_a_number_one_process_is_enough_for_one_task_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "_WATCH", 0.05)
    monkeypatch.setattr(pool_module, "available_cores", lambda: 8)
    async with a_pool(work.obey, processes=None) as pool:
        assert len(set(await asyncio.gather(pool.run("report"), pool.run("report")))) == 1  # the second had to wait
        assert len({await pool.run("nap") for _ in range(4)}) == 1
        assert len(pool._processes) == 1


async def test_a_process_that_was_started_early_is_the_one_that_works() -> None:
    async with a_pool(work.pid) as pool:
        pool.warm()
        await asyncio.sleep(0)
        (process,) = pool._processes
        assert await pool.run(None) == process._spawn.process.pid
        assert len(pool._processes) == 1


async def test_a_pool_that_is_closed_while_it_warms_leaves_no_process() -> None:
    async with a_pool(work.pid) as pool:
        pool.warm()
        await asyncio.sleep(0.02)
        (process,) = pool._processes
        pid = process._spawn.process.pid
    assert await is_gone(pid)


async def test_a_first_process_that_could_not_be_started_early_is_told_of_with_the_first_page() -> None:
    async with a_pool(work.double, prepare=work.prepare_and_die) as pool:
        pool.warm()
        with pytest.raises(ParseProcessDied, match="could not be started"):
            await pool.run(1)


async def test_those_behind_a_page_that_hangs_are_answered_by_a_fresh_process() -> None:
    async with a_pool(work.obey, timeout=0.3) as pool:
        before = await warm(pool)
        answers = await asyncio.gather(*map(pool.run, ["hang", *["report"] * 5]), return_exceptions=True)
        assert isinstance(answers[0], ParseTimeout)
        assert len(set(answers[1:])) == 1
        assert before not in answers


async def test_those_behind_a_page_that_takes_long_do_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_LONG", 0.1)
    async with a_pool(work.obey, processes=2) as pool:
        napping = asyncio.create_task(pool.run("nap"))
        await asyncio.sleep(0)
        await warm(pool)  # the other one
        await napping
        await warm(pool)
        hanging = asyncio.create_task(pool.run("hang"))
        await asyncio.sleep(0)
        answers = await asyncio.gather(*(pool.run("report") for _ in range(8)))
        assert len(set(answers)) == 1
        assert not hanging.done()
        hanging.cancel()


async def test_a_page_that_waits_behind_others_is_cancelled_without_harm_to_them() -> None:
    async with a_pool(work.obey) as pool:
        before = await warm(pool)
        orders = [asyncio.create_task(pool.run(order)) for order in ("nap", "report", "report")]
        await asyncio.sleep(0.01)
        orders[1].cancel()
        assert await asyncio.gather(*orders, return_exceptions=True) != [before] * 3
        assert [await orders[0], await orders[2], await pool.run("report")] == [before] * 3


async def test_those_behind_a_page_that_is_cancelled_are_answered_by_a_fresh_process() -> None:
    async with a_pool(work.obey) as pool:
        before = await warm(pool)
        orders = [asyncio.create_task(pool.run(order)) for order in ("hang", "report", "report")]
        await asyncio.sleep(0.01)
        orders[0].cancel()
        _, *answers = await asyncio.gather(*orders, return_exceptions=True)
        assert answers[0] == answers[1] != before


async def test_those_that_wait_are_answered_though_the_ones_before_them_are_cancelled_together() -> None:
    async with a_pool(work.obey) as pool:
        orders = [asyncio.create_task(pool.run("report")) for _ in range(5)]
        await asyncio.sleep(0.01)  # the first one starts a process, and the others wait for it
        for order in orders[:3]:
            order.cancel()
        _, _, _, *answers = await asyncio.wait_for(asyncio.gather(*orders, return_exceptions=True), 20.0)
        assert answers[0] == answers[1] == await pool.run("report")


async def test_what_the_way_and_the_work_took_is_told() -> None:
    heard: list[tuple[float, ...]] = []
    async with a_pool(work.obey) as pool:
        await pool.run("nap", lambda *seconds: heard.append(seconds))
    ((crossing, seconds, cpu),) = heard
    assert 0.0 < crossing < 0.15 <= seconds
    assert cpu < 0.15  # it slept


async def test_ctrl_c_is_left_to_the_crawl() -> None:
    async with a_pool(work.obey) as pool:
        assert await pool.run("interrupt") == await pool.run("report")


async def test_cancelling_a_task_kills_its_process_and_frees_its_place(tmp_path: Path) -> None:
    async with a_pool(work.hang_if_path) as pool:
        hanging = asyncio.create_task(pool.run(str(tmp_path / "pid")))
        pid = int(await content(tmp_path / "pid"))
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert await is_gone(pid)
        assert await pool.run(None) != pid


async def test_cancelling_a_task_while_its_process_starts_leaves_no_process() -> None:
    async with a_pool(work.pid, prepare=work.prepare_and_hang, context=60) as pool:
        starting = asyncio.create_task(pool.run(None))
        await asyncio.sleep(0.05)
        (process,) = pool._processes
        pid = process._spawn.process.pid
        assert is_running(pid)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert await is_gone(pid)


async def test_cancelling_a_task_that_waits_for_a_process_disturbs_nobody() -> None:
    async with a_pool(work.obey) as pool:
        napping = asyncio.create_task(pool.run("nap"))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(pool.run("report"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await napping == await pool.run("report")


async def test_no_more_tasks_run_at_once_than_there_are_processes(tmp_path: Path) -> None:
    async with a_pool(work.overlap, processes=2) as pool:
        counts = await asyncio.gather(*(pool.run(str(tmp_path)) for _ in range(12)))
        assert max(counts) <= 2


async def test_a_process_that_cannot_start_fails_its_task() -> None:
    async with a_pool(work.double, prepare=work.prepare_and_die) as pool:
        with pytest.raises(ParseProcessDied, match="could not be started"):
            await pool.run(1)


async def test_a_process_that_is_never_ready_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_START_TIMEOUT", 0.2)
    async with a_pool(work.double, prepare=work.prepare_and_hang, context=60) as pool:
        with pytest.raises(ParseTimeout, match="not ready"):
            await pool.run(1)


async def test_a_machine_that_has_no_room_for_a_process_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async with a_pool(work.double) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(SpawnProcess, "start", no_room)
            with pytest.raises(ParseProcessDied, match="could not be started"):
                await pool.run(1)
        assert await pool.run(1) == 2


async def test_closing_ends_every_process() -> None:
    async with a_pool(work.obey, processes=2) as pool:
        pids = set(await asyncio.gather(pool.run("nap"), pool.run("nap")))
        assert len(pids) == 2
    for pid in pids:
        assert await is_gone(pid)


async def test_closing_ends_what_is_under_way_and_waits_for_nobody(tmp_path: Path) -> None:
    async with a_pool(work.hang_if_path) as pool:
        hanging = asyncio.create_task(pool.run(str(tmp_path / "pid")))
        waiting = asyncio.create_task(pool.run(None))
        pid = int(await content(tmp_path / "pid"))
        await pool.close()
        for task in (hanging, waiting):
            with pytest.raises(ParseProcessDied):
                await task
        assert await is_gone(pid)


async def test_closing_before_anything_ran_does_nothing() -> None:
    async with a_pool(work.double) as pool:
        pass
    with pytest.raises(ParseProcessDied, match="closed"):
        await pool.run(1)


async def test_many_deaths_in_a_row_lose_nothing_else() -> None:
    async with a_pool(work.obey, processes=2) as pool:
        orders = ["report", "die", "report", "exit", "report", "die", "report"]
        answers = await asyncio.gather(*(pool.run(order) for order in orders), return_exceptions=True)
        kinds = [int if order == "report" else ParseProcessDied for order in orders]
        assert [type(answer) for answer in answers] == kinds


@pytest.mark.skipif(sys.platform != "linux", reason="others keep no such bound")
async def test_a_process_has_a_bound_on_its_memory() -> None:
    pool: ParsePool[int, int] = ParsePool(work.allocate, work.prepare, None, PoolOptions(1, 30.0, parse_memory=64))
    try:
        with pytest.raises(MemoryError):
            await pool.run(200)
        assert await pool.run(20) == 20 * 1024 * 1024
    finally:
        await pool.close()


PAGES, DEATHS = (10_000, 1_000) if os.environ.get("ALL_DEATHS") else (200, 12)


@pytest.mark.timeout(900 if os.environ.get("ALL_DEATHS") else 60)
async def test_of_the_pages_of_processes_that_are_killed_none_is_lost_and_no_other_is_asked_for_twice(
    tmp_path: Path,
) -> None:
    asked = 0
    slowest = 0.0

    async def until_answered(order: tuple[int, str]) -> int:
        nonlocal asked, slowest
        asked += 1
        try:
            return int(await pool.run(order))
        except ParseProcessDied:
            died = time.monotonic()
            answer = await until_answered(order)
            slowest = max(slowest, time.monotonic() - died)
            return answer

    orders = [
        (number, str(tmp_path / str(number)) if number % (PAGES // DEATHS) == 0 else "") for number in range(PAGES)
    ]
    deadly = sum(note != "" for _, note in orders)
    async with a_pool(work.fall, processes=2) as pool:
        begin = 0
        answers: list[int] = []
        while begin < PAGES:  # as many at once as a crawl has workers
            answers += await asyncio.gather(*map(until_answered, orders[begin : begin + 64]))
            begin += 64
        assert answers == list(range(PAGES))
        assert asked == PAGES + deadly
        assert slowest < 10.0
        assert len(pool._processes) == 2


CRAWL = """
import asyncio, sys
import pool_work
from crawler.parse.pool import ParsePool, PoolOptions

async def main():
    pool = ParsePool(pool_work.hang_noting, pool_work.prepare, None, PoolOptions(2))
    await asyncio.gather(*(pool.run(path) for path in sys.argv[1:]))

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_a_killed_crawl_leaves_no_process_behind(tmp_path: Path) -> None:
    script = tmp_path / "crawl.py"
    script.write_text(CRAWL)
    notes = [tmp_path / "one", tmp_path / "two"]
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])])}
    parent = subprocess.Popen([sys.executable, str(script), *map(str, notes)], env=env)
    try:
        pids = [int(await content(note)) for note in notes]
        assert [is_running(pid) for pid in pids] == [True, True]
    finally:
        parent.kill()
        parent.wait()
    left = [pid for pid in pids if not await is_gone(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def kill(process: pool_module._Process) -> None:
    assert process._spawn.process is not None
    process._spawn.process.kill()


async def test_when_a_process_cannot_be_started_all_who_wait_are_told_or_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = pool_module.socket.socketpair, iter(range(100))

    def socketpair() -> Any:
        if next(calls) == 0:
            raise OSError(24, "Too many open files")
        return real()

    async with a_pool(work.work_for) as pool:
        await pool.run((0.3, b""))
        tasks = [asyncio.create_task(pool.run((0.3, b""))) for _ in range(5)]
        await asyncio.sleep(0.1)
        monkeypatch.setattr(pool_module.socket, "socketpair", socketpair)
        kill(next(iter(pool._processes)))
        ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
    assert sorted(type(each).__name__ for each in ended) == ["NoParseProcess", "ParseProcessDied", "int", "int", "int"]


async def test_a_large_task_has_its_turn_among_many_small_ones() -> None:
    async with a_pool(work.work_for) as pool:
        await pool.run((0.0, b""))
        going = True

        async def small() -> None:
            while going:
                await pool.run((0.0005, b""))

        others = [asyncio.create_task(small()) for _ in range(40)]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(pool.run((0.0, b"x" * 5_000_000)), 10)
        going = False
        await asyncio.gather(*others)


async def test_a_process_that_is_idle_is_asked_although_another_cannot_be_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> Any:
        raise OSError(24, "Too many open files")

    async with a_pool(work.work_for, processes=2) as pool:
        pids = set(await asyncio.gather(*(pool.run((0.2, b"")) for _ in range(4))))
        assert len(pids) == 2
        first, second = pool._processes
        kill(first)
        while first in pool._processes:
            await asyncio.sleep(0.01)
        monkeypatch.setattr(pool_module.socket, "socketpair", none)
        assert second._spawn.process is not None
        assert {await pool.run((0.0, b"")) for _ in range(3)} == {second._spawn.process.pid}
        monkeypatch.undo()
        await pool.run((0.0, b""))
        while len(pool._processes) < 2:  # it is replaced as soon as it can be
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", [BlockingIOError(11, "Resource temporarily unavailable"), RuntimeError("no thread")])
async def test_why_a_process_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def submit(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(pool_module.ProcessPoolExecutor, "submit", submit)
    async with a_pool(work.pid) as pool:
        with pytest.raises(NoParseProcess, match=re.escape(str(error))):
            await pool.run(None)
