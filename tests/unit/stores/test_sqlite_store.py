"""What SQLite adds to the contract of every store: a file that survives, is shared, is upgraded, and says what is wrong."""

import asyncio
import contextlib
import signal
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from gateway.core.desired import Desired
from gateway.core.errors import Conflict, GatewayError
from gateway.stores import sqlite
from gateway.stores.sqlite import open_sqlite
from tests.support.desired import desired, stdio_spec

ROOT = Path(__file__).parents[3]
WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.stores.sqlite import open_sqlite
from tests.support.desired import desired, stdio_spec

async def main():
    async with open_sqlite(Path(sys.argv[1])) as store:
        for number in range(10**6):
            await store.put(desired(stdio_spec(f"a{number}")), expect=None)
            print(number, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.db"


async def test_state_is_there_again_after_a_restart_and_revisions_go_on(path: Path) -> None:
    async with open_sqlite(path) as store:
        await store.put(desired(), expect=None)
        await store.delete(desired().name, expect=None)
        before = await store.put(desired(), expect=None)
    async with open_sqlite(path) as store:
        assert await store.list() == [before]
        after = await store.put(desired(stdio_spec("other")), expect=None)
    assert after.revision > before.revision


async def test_every_answered_write_survives_kill_9(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        for _ in range(20):
            await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        answered = 20 + len((await process.stdout.read()).splitlines())
        await process.wait()
    async with open_sqlite(path) as store:
        found = {each.name for each in await store.list()}
    assert {f"a{number}" for number in range(answered)} <= found
    assert len(found) <= answered + 1


async def test_two_processes_share_the_file_and_see_each_other(path: Path) -> None:
    async with open_sqlite(path) as one, open_sqlite(path) as other:
        first = await one.put(desired(), expect=None)
        with pytest.raises(Conflict):
            await other.put(desired(), expect=None)
        assert await other.get(first.name) == first
        second = await other.put(desired(stdio_spec("other")), expect=None)
        assert second.revision > first.revision


async def test_only_its_owner_reads_the_file(path: Path) -> None:
    async with open_sqlite(path) as store:
        await store.put(desired(), expect=None)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)


async def test_commits_wait_for_the_disk(path: Path) -> None:
    async with open_sqlite(path) as store:
        modes = await store._run(
            lambda: [
                store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
            ]
        )
    assert modes == ["wal", 2]


async def test_a_newer_schema_is_refused_with_a_sentence_and_left_alone(path: Path) -> None:
    async with open_sqlite(path) as store:
        await store.put(desired(), expect=None)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(GatewayError, match=r"written by a newer mcpdeck \(schema 99, this one knows [0-9]+\): update"):
        async with open_sqlite(path):
            pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM adapters").fetchone() == (1,)


async def test_an_older_schema_is_brought_forward_with_what_it_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_sqlite(path) as store:
        before = await store.put(desired(), expect=None)
    more = (*sqlite.MIGRATIONS, ("ALTER TABLE adapters ADD COLUMN note TEXT", "CREATE TABLE quotas (name TEXT)"))
    monkeypatch.setattr(sqlite, "MIGRATIONS", more)
    async with open_sqlite(path) as store:
        assert await store.list() == [before]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(more),)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_sqlite(path) as store:
        before = await store.put(desired(), expect=None)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, ("CREATE TABLE quotas (name TEXT)", "nonsense")))
        with pytest.raises(GatewayError, match="nonsense"):
            async with open_sqlite(path):
                pass
    async with open_sqlite(path) as store:
        assert await store.list() == [before]


@pytest.fixture
def garbage(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text("not a database, not at all" * 100)
    return path


async def test_a_file_that_is_no_database_is_refused_with_a_sentence(garbage: Path) -> None:
    with pytest.raises(GatewayError, match="can't be opened as the store of desired state: file is not a database"):
        async with open_sqlite(garbage):
            pass


async def test_a_row_that_cannot_be_read_names_its_adapter(path: Path) -> None:
    async with open_sqlite(path) as store:
        await store.put(desired(), expect=None)
        connection = sqlite3.connect(path)
        connection.execute("UPDATE adapters SET desired = '{}'")
        connection.commit()
        connection.close()
        with pytest.raises(GatewayError, match="adapter 'weather' can't be read"):
            await store.list()


async def test_a_writer_that_is_cancelled_leaves_a_store_that_works(path: Path) -> None:
    async with open_sqlite(path) as store:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await store.put(desired(), expect=None)
        found: list[Desired] = list(await store.list())
        await store.put(desired(stdio_spec("other")), expect=None)
    assert [each.name for each in found] in ([], ["weather"])
