"""What is particular to the store in SQLite, and to the folder that it lies in."""

import ast
import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import crawler.frontier
from crawler.errors import JobError, JobLocked, StoreError
from crawler.frontier import schema
from crawler.frontier.job import FOLDER, Job, Spec, jobs_in
from crawler.frontier.ledger import put_back
from crawler.frontier.schema import VERSION, connect, delete, insert, reading
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch, Learned, Want
from crawler.outcome import Failure, Outcome, Record, Tally, Verdict
from crawler.request import Entry, Request
from crawler.response import Cookie, RobotsFile

START = (-(2**63), 0)
SPEC = Spec("books", "spiders/books.py", args={"token": "secret"}, outputs=["/data/out.jsonl"])

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions of another kind")


class Inline(Executor):
    """Does everything at once, in the thread that asks."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job(tmp_path / FOLDER / "books")
    job.folder.mkdir(parents=True)
    job.create(SPEC, syncs=False)
    return job


@pytest.fixture
async def store(job: Job) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(job.database, syncs=False, executor=Inline())
    await store.open()
    yield store
    await store.close()


def entry(number: int, host: str = "site.test", **fields: Any) -> Entry:
    return Entry(Request(f"http://{host}/{number}"), host, f"http://{host}", number % 2**64, number=number, **fields)


def full_batch() -> Batch:
    """One that writes to every table."""
    failure = Failure("http://site.test/2", "http_404", "answered 404", 404)
    return Batch(
        [
            Outcome(
                entry(1),
                Verdict.DONE,
                [Record(b"{}")],
                discovered=[entry(11)],
                too_deep=[(99, "http://site.test/deep")],
            ),
            Outcome(entry(2), Verdict.FAILED, failure=failure),
            Outcome(entry(3), Verdict.RETRY),
        ],
        [entry(1), entry(2), entry(3), entry(4)],
        [Failure("nonsense", "invalid_request")],
        {"/data/out.jsonl": 3},
        4,
        True,
        [Learned("site.test", 1.5, 2)],
        [RobotsFile("http://site.test", 1.0, b"User-agent: *")],
        [Cookie("", "site.test", "/", "a", "b", created=1.0)],
        Tally(1),
        "complete",
        [("site.test", 1)],
    )


def dump(path: Path) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}


async def told(job: Job) -> str:
    """What is said when the job's database is opened."""
    store = SqliteStore(job.database, syncs=False)
    with pytest.raises(StoreError) as caught:
        await store.open()
    await store.close()
    assert caught.value.path == str(job.database)
    return caught.value.detail


# --- plain data ---


async def test_a_database_holds_text_numbers_and_messagepack_of_plain_types(store: SqliteStore, job: Job) -> None:
    await store.commit(full_batch())

    tables = dump(job.database)
    assert all(tables[name] for name in tables if name != "seen_parts")
    for name, rows in tables.items():
        for value in (value for row in rows for value in row):
            assert type(value) in (str, int, float, bytes, type(None)), name
    requests = [row[-1] for name in ("waiting", "failures") for row in tables[name] if row[-1] is not None]
    assert len(requests) == 4
    assert all(type(msgspec.msgpack.decode(data)) is list for data in requests)


def test_nothing_that_can_execute_is_imported_by_the_frontier() -> None:
    for file in sorted(Path(crawler.frontier.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"pickle", "marshal", "shelve", "dill", "cloudpickle"} & set(names), file.name


# --- many rows ---


@pytest.mark.parametrize("rows", [0, 1, 5_999, 6_000, 6_001, 20_000])
def test_any_number_of_rows_is_inserted_and_deleted(job: Job, rows: int) -> None:
    with closing(connect(job.database, syncs=False)) as connection:
        values = [(number, "site.test", 0, number, b"x") for number in range(1, rows + 1)]
        insert(connection, "waiting", values)
        assert connection.execute("SELECT * FROM waiting ORDER BY number").fetchall() == values

        delete(connection, "waiting", list(range(2, rows + 1)))
        assert [number for (number,) in connection.execute("SELECT number FROM waiting")] == [1][:rows]

        delete(connection, "waiting", [])
        insert(connection, "waiting", values, "INSERT OR REPLACE")
        assert connection.execute("SELECT count(*) FROM waiting").fetchone() == (rows,)


async def test_twenty_thousand_links_and_outcomes_fit_one_batch(store: SqliteStore, job: Job) -> None:
    links = [entry(number) for number in range(1, 20_001)]
    store.add(links)
    await store.commit(Batch([Outcome(entry(0), Verdict.DONE, discovered=links)], [entry(0)]))
    assert [len(found) for found in await store.read([Want("site.test", START, 50_000)])] == [20_000]

    failures = [Failure(link.request.url, "http_404") for link in links]
    await store.commit(
        Batch([Outcome(link, Verdict.FAILED, failure=failure) for link, failure in zip(links, failures, strict=True)])
    )

    found = job.overview()
    assert (found.waiting, found.failed) == (0, 20_000)
    assert all(store.known([link.fingerprint for link in links]))


# --- all or nothing ---


class Breaking:
    """A connection that fails at its *at*-th statement."""

    def __init__(self, connection: sqlite3.Connection, at: int, error: BaseException) -> None:
        self._connection = connection
        self._left = at
        self._error = error

    def execute(self, query: str, *values: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            raise self._error
        return self._connection.execute(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), KeyboardInterrupt()], ids=type)
async def test_a_batch_is_written_as_a_whole_or_not_at_all(job: Job, error: BaseException) -> None:
    before = dump(job.database)
    statements = 0
    while dump(job.database) == before:
        statements += 1
        store = SqliteStore(job.database, syncs=False, executor=Inline())
        await store.open()
        connection = store._connection
        assert connection is not None
        store._connection = Breaking(connection, statements, error)
        try:
            await store.commit(full_batch())
        except (StoreError, KeyboardInterrupt):
            assert dump(job.database) == before
            assert not connection.in_transaction
        finally:
            store._connection = connection
            await store.close()

    assert statements > 12  # the last one is past the end: nothing failed
    assert {name for name, rows in dump(job.database).items() if rows == before[name]} == {"seen_parts"}


async def test_a_store_that_failed_once_can_be_written_again(store: SqliteStore, job: Job) -> None:
    connection = store._connection
    assert connection is not None
    store._connection = Breaking(connection, 4, sqlite3.OperationalError("disk I/O error"))
    with pytest.raises(StoreError, match="disk I/O error"):
        await store.commit(full_batch())
    store._connection = connection

    await store.commit(full_batch())

    assert job.overview().waiting == 3


async def test_what_another_process_left_in_the_log_is_there(job: Job) -> None:
    """As after a kill: the log was never written back."""
    store = SqliteStore(job.database, syncs=False, executor=Inline())
    await store.open()
    await store.commit(Batch(seeds=[entry(1), entry(2)]))
    copy = Job(job.folder.with_name("copy"))
    copy.folder.mkdir()
    for file in job.folder.iterdir():
        (copy.folder / file.name).write_bytes(file.read_bytes())
    await store.close()

    assert copy.overview().waiting == 2


# --- errors, in words ---


async def test_a_full_disk_is_said_in_words(store: SqliteStore, job: Job) -> None:
    before = dump(job.database)
    [(pages,)] = store._rows("PRAGMA page_count")
    store._rows(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(StoreError, match="the disk is full: free some space") as caught:
        await store.commit(Batch(seeds=[entry(number) for number in range(1, 2000)]))

    assert caught.value.path == str(job.database)
    assert dump(job.database) == before


async def test_a_database_that_another_program_holds_is_said_in_words(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.01)
    store = SqliteStore(job.database, syncs=False)
    await store.open()
    with closing(sqlite3.connect(job.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds the database locked"):
            await store.commit(Batch(seeds=[entry(1)]))
        other.execute("ROLLBACK")
    await store.commit(Batch(seeds=[entry(1)]))
    await store.close()


async def test_a_file_that_is_no_database_is_said_to_be_damaged(job: Job) -> None:
    job.database.write_bytes(b"this is no database, though it is long enough to be one" * 100)

    assert "the file is no database" in await told(job)
    with pytest.raises(StoreError, match="damaged"):
        job.overview()


async def test_a_database_with_a_damaged_page_is_said_to_be_damaged(job: Job) -> None:
    store = SqliteStore(job.database, syncs=False)
    await store.open()
    await store.commit(Batch(seeds=[entry(number) for number in range(1, 2000)]))
    await store.close()
    data = bytearray(job.database.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    job.database.write_bytes(data)

    assert await told(job) == "its pages do not fit together"


async def test_a_database_without_one_of_its_tables_is_said_to_be_damaged(job: Job) -> None:
    with closing(sqlite3.connect(job.database)) as connection:
        connection.execute("DROP TABLE waiting")

    assert await told(job) == "a table is missing"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (f"UPDATE meta SET value = {VERSION + 1} WHERE key = 'version'", f"format {VERSION + 1}, not {VERSION}"),
        ("UPDATE meta SET value = 0 WHERE key = 'version'", f"format 0, not {VERSION}"),
        ("DELETE FROM meta WHERE key = 'version'", f"format none, not {VERSION}"),
    ],
)
async def test_a_database_of_another_version_is_left_as_it_is(job: Job, change: str, found: str) -> None:
    with closing(sqlite3.connect(job.database, isolation_level=None)) as connection:
        connection.execute(change)
    before = dump(job.database)

    assert (await told(job)).startswith(f"it was written by another version of this program ({found}): ")

    for work in (job.overview, lambda: put_back(job), lambda: job.resume(SPEC, syncs=False)):
        with pytest.raises(StoreError, match="another version"):
            work()
    assert dump(job.database) == before


async def test_a_database_that_is_not_there_cannot_be_opened_and_is_not_made(job: Job) -> None:
    job.database.unlink()

    assert "it cannot be opened" in await told(job)
    assert not job.database.exists()


async def test_a_store_that_could_not_be_opened_holds_nothing_open(job: Job) -> None:
    """The file can be moved away, and another put in its place."""
    job.database.write_bytes(b"no database" * 1000)
    await told(job)

    job.create(SPEC, syncs=False)

    store = SqliteStore(job.database, syncs=False)
    await store.open()
    await store.close()


@posix
async def test_a_file_that_may_not_be_written_is_said_in_words(job: Job) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    job.database.chmod(0o400)
    assert "permissions" in await told(job)


@pytest.mark.parametrize(
    "batch",
    [
        Batch(failures=[Failure("http://site.test/", "callback_error", "KeyError: '\ud800'", traceback="\udc80")]),
        Batch(cookies=[Cookie("", "site.test", "/\udcff", "\udcfe", "\udcff")]),
        Batch([Outcome(entry(1), Verdict.SKIPPED, note="\udcff")], [entry(1)]),
    ],
    ids=["a failure", "a cookie", "a note"],
)
async def test_half_a_character_costs_no_commit(store: SqliteStore, batch: Batch) -> None:
    """A header's bytes that are no UTF-8, or a callback's error message, may hold one."""
    await store.commit(batch)


# --- who may read it, and what survives ---


@posix
async def test_only_their_owner_may_read_a_job_and_its_database(tmp_path: Path) -> None:
    job = Job(tmp_path / FOLDER / "books")
    before = os.umask(0o022)
    try:
        with job.locked():
            job.create(SPEC, syncs=False)
            store = SqliteStore(job.database, syncs=False)
            await store.open()
            await store.commit(full_batch())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in job.folder.iterdir()}
            await store.close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    names = ["lock", "frontier.sqlite3", "frontier.sqlite3-wal", "frontier.sqlite3-shm"]
    assert modes == dict.fromkeys(names, 0o600)


@pytest.mark.parametrize(("syncs", "level"), [(True, 2), (False, 1)])
async def test_a_commit_is_synced_where_it_must_survive_a_power_cut(job: Job, syncs: bool, level: int) -> None:
    store = SqliteStore(job.database, syncs=syncs, executor=Inline())
    await store.open()

    assert store._rows("PRAGMA synchronous") == [(level,)]
    assert store._rows("PRAGMA journal_mode") == [("wal",)]
    await store.close()


async def test_a_job_that_begins_anew_has_nothing_of_the_old_one(store: SqliteStore, job: Job) -> None:
    seed = store.seed
    await store.commit(full_batch())
    await store.close()
    (job.database.with_name(job.database.name + "-wal")).write_bytes(b"left behind")

    job.create(SPEC, syncs=False)

    anew = SqliteStore(job.database, syncs=False)
    restored = await anew.open()
    assert (restored.waiting, restored.tally, anew.known([1])) == (0, None, [False])
    assert anew.seed != seed
    await anew.close()


def test_a_job_can_be_begun_so_that_it_survives_a_power_cut(job: Job) -> None:
    job.create(SPEC, syncs=True)

    assert job.overview().spec == SPEC


# --- the lock ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project" / FOLDER / "books"


def test_a_job_is_worked_on_by_one_process_at_a_time(folder: Path) -> None:
    with Job(folder).locked():
        assert Job(folder).owner() == os.getpid()
        words = rf"process {os.getpid()} is running the job in .*books.*--job DIR"
        with pytest.raises(JobLocked, match=words), Job(folder).locked():
            pytest.fail("it was locked twice")
        assert Job(folder).owner() == os.getpid()


async def test_a_job_is_locked_against_other_processes(folder: Path) -> None:
    code = (
        "import sys, pathlib; from crawler.frontier.job import Job\nwith Job(pathlib.Path(sys.argv[1])).locked(): pass"
    )
    with Job(folder).locked():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(folder), stderr=asyncio.subprocess.PIPE
        )
        _, words = await process.communicate()

    assert (process.returncode, f"JobLocked: process {os.getpid()} is running".encode() in words) == (1, True)


def test_a_lock_is_let_go_of_whatever_happens(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), Job(folder).locked():
            Job(folder).create(SPEC, syncs=False)
            raise ZeroDivisionError
        assert Job(folder).owner() is None


def test_a_lock_in_which_nothing_was_begun_leaves_nothing_behind(folder: Path) -> None:
    with Job(folder).locked():
        assert folder.is_dir()

    assert list(folder.parent.parent.iterdir()) == []


def test_a_lock_leaves_alone_what_lies_beside_it(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    other = Job(folder.with_name("other"))
    with other.locked():
        other.create(SPEC, syncs=False)

    with Job(folder).locked():
        pass

    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    assert sorted(file.name for file in folder.parent.iterdir()) == [".gitignore", "books", "other"]


def test_a_job_that_was_begun_stays_and_is_not_for_git(folder: Path) -> None:
    job = Job(folder)
    with job.locked():
        assert not job.exists()
        job.create(SPEC, syncs=False)

    assert job.exists()
    assert (folder.parent / ".gitignore").read_text() == "*\n"
    assert [found.folder for found in jobs_in(folder.parent.parent)] == [folder]


def test_a_project_without_jobs_has_none(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "empty").mkdir(parents=True)

    assert (jobs_in(tmp_path), jobs_in(tmp_path / "nowhere")) == ([], [])


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    words = r"cannot be kept in .*--job DIR puts it elsewhere"
    with pytest.raises(JobError, match=words), Job(tmp_path / "file" / "job").locked():
        pytest.fail("there is no folder")


# --- at a glance ---


@pytest.mark.parametrize("ended", ["complete", "interrupted", "max_pages", "store_failed"])
async def test_a_job_that_ended_says_why(store: SqliteStore, job: Job, ended: str) -> None:
    await store.commit(Batch(seeds=[entry(1)], tally=Tally(3, 2)))
    await store.commit(Batch(ended=ended))

    found = job.overview()

    assert (found.state, found.owner, found.tally, found.waiting) == (ended, None, Tally(3, 2), 1)
    assert (found.spec, found.folder, found.has_outcomes) == (SPEC, job.folder, True)
    assert found.size > 4096
    assert found.is_complete is False  # one waits


async def test_a_job_that_did_not_say_why_it_ended_died(store: SqliteStore, job: Job) -> None:
    await store.commit(Batch(tally=Tally()))

    assert (job.overview().state, job.overview(is_mine=True).state, job.overview().has_outcomes) == (
        "died",
        "died",
        False,
    )


async def test_a_job_that_somebody_works_on_is_running_whatever_it_was_before(store: SqliteStore, job: Job) -> None:
    await store.commit(Batch(ended="complete", seeds_ended=True))
    assert (job.overview().state, job.overview().is_complete) == ("complete", True)

    with job.locked():
        found = job.overview()
        assert (found.state, found.owner, found.is_complete) == ("running", os.getpid(), False)
        assert job.overview(is_mine=True).state == "complete"


async def test_a_job_that_goes_on_has_not_ended(store: SqliteStore, job: Job) -> None:
    await store.commit(Batch(ended="interrupted"))

    job.resume(msgspec.structs.replace(SPEC, version="2"), syncs=False)

    assert (job.overview().state, job.overview().spec.version) == ("died", "2")  # nobody holds the lock here


async def test_failures_that_were_put_back_wait_again(store: SqliteStore, job: Job) -> None:
    await store.commit(full_batch())
    await store.commit(Batch([Outcome(entry(4), Verdict.FAILED, failure=Failure("http://site.test/4", "timeout"))]))

    assert (put_back(job, ["http_404"]), put_back(job, ["http_404"])) == (1, 0)
    found = job.overview()
    assert (found.state, found.waiting, found.failed) == ("retry", 3, 2)
    [again] = await store.read([Want("site.test", (0, 1), 1)])
    assert again == [entry(2)]

    assert put_back(job) == 1  # a start URL that cannot be asked stays what it is
    assert (job.overview().waiting, job.overview().failed) == (4, 1)


async def test_a_job_can_be_looked_at_while_it_runs(store: SqliteStore, job: Job) -> None:
    await store.commit(Batch(seeds=[entry(1)]))
    with reading(job.database) as looking:
        assert looking.execute("SELECT count(*) FROM waiting").fetchone() == (1,)
        await store.commit(Batch(seeds=[entry(2)]))
        assert looking.execute("SELECT count(*) FROM waiting").fetchone() == (2,)
        with pytest.raises(sqlite3.OperationalError):
            looking.execute("DELETE FROM waiting")
