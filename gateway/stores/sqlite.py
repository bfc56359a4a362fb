"""Desired state in one SQLite file, which survives crashes and power cuts. Knows nothing of what the state means.

One thread owns the connection: the loop never waits for the disk, and statements never mix. WAL, so that readers (a
backup, a curious operator) never stop the gateway; synchronous FULL, since in WAL anything less may lose the last
commits on a power cut, and a deployment that was answered with 201 must be there afterwards. Writes are rare: they can
afford the one fsync.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.desired import Desired, Kept, Revision
from gateway.core.errors import GatewayError
from gateway.stores.expectations import check_delete, check_put
from gateway.stores.kinds import ADAPTERS, Kind
from gateway.wire.names import AdapterName

BUSY_TIMEOUT: Final = 5.0  # seconds that a write waits for another process's
MIGRATIONS: Final = (  # the file's user_version counts those it has had; one that was released never changes
    (
        "CREATE TABLE adapters (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, desired BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "INSERT INTO counters VALUES ('revision', 0)",
    ),
    (
        "CREATE TABLE tools (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, desired BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE toolsets (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, desired BLOB NOT NULL) WITHOUT ROWID",
    ),
    ("CREATE TABLE policies (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, desired BLOB NOT NULL) WITHOUT ROWID",),
)

_encode = msgspec.json.Encoder().encode


class SqliteStore[Stored: Kept = Desired]:
    """ports.Store. Made by `open_sqlite`. Raises GatewayError, with a sentence, for what the disk refuses."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor, kind: Kind[Stored]) -> None:
        self._connection, self._thread, self._kind = connection, thread, kind

    def beside[Other: Kept](self, kind: Kind[Other]) -> "SqliteStore[Other]":
        """Another kind in the same file, for as long as it is open."""
        return SqliteStore(self._connection, self._thread, kind)

    async def list(self) -> Sequence[Stored]:
        return await self._run(lambda: _list(self._connection, self._kind))

    async def get(self, name: AdapterName) -> Stored | None:
        return await self._run(lambda: _get(self._connection, self._kind, name))

    async def put(self, desired: Stored, *, expect: Revision | None) -> Stored:
        return await self._run(lambda: _put(self._connection, self._kind, desired, expect=expect))

    async def delete(self, name: AdapterName, *, expect: Revision | None) -> None:
        await self._run(lambda: _delete(self._connection, self._kind, name, expect=expect))

    async def _run[Result](self, work: Callable[[], Result]) -> Result:
        with _sqlite_errors("the store of desired state can't be used"):
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteStore]:
    """Made where it is not there. Raises GatewayError when it is no store, or a newer mcpdeck's."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as thread:
        with _sqlite_errors(f"{path} can't be opened as the store of desired state"):
            connection = await loop.run_in_executor(thread, _open, path)
        try:
            yield SqliteStore(connection, thread, ADAPTERS)
        finally:
            await loop.run_in_executor(thread, connection.close)


# In the store's thread


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # environment variables of adapters are in it
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with _write(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise GatewayError(
                f"{path} was written by a newer mcpdeck (schema {version}, this one knows {len(MIGRATIONS)}): "
                "update mcpdeck, or give it another data folder"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _list[Stored: Kept](connection: sqlite3.Connection, kind: Kind[Stored]) -> Sequence[Stored]:
    rows = connection.execute(f"SELECT name, revision, desired FROM {kind.table} ORDER BY name").fetchall()  # noqa: S608 - ours
    return [_read(kind, *row) for row in rows]


def _get[Stored: Kept](connection: sqlite3.Connection, kind: Kind[Stored], name: AdapterName) -> Stored | None:
    question = f"SELECT name, revision, desired FROM {kind.table} WHERE name = ?"  # noqa: S608 - a kind's own table
    row = connection.execute(question, (name,)).fetchone()
    return None if row is None else _read(kind, *row)


def _put[Stored: Kept](
    connection: sqlite3.Connection, kind: Kind[Stored], desired: Stored, *, expect: Revision | None
) -> Stored:
    with _write(connection):
        check_put(desired.name, _revision(connection, kind, desired.name), expect, noun=kind.noun)
        stored = msgspec.structs.replace(desired, revision=_next_revision(connection))
        connection.execute(
            f"INSERT INTO {kind.table} VALUES (?, ?, ?) "  # noqa: S608 - a kind's own table
            "ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, desired = excluded.desired",
            (stored.name, stored.revision, _encode(stored)),
        )
    return stored


def _delete[Stored: Kept](
    connection: sqlite3.Connection, kind: Kind[Stored], name: AdapterName, *, expect: Revision | None
) -> None:
    with _write(connection):
        check_delete(name, _revision(connection, kind, name), expect, noun=kind.noun)
        _next_revision(connection)
        connection.execute(f"DELETE FROM {kind.table} WHERE name = ?", (name,))  # noqa: S608 - a kind's own table


def _revision[Stored: Kept](connection: sqlite3.Connection, kind: Kind[Stored], name: AdapterName) -> Revision | None:
    row = connection.execute(f"SELECT revision FROM {kind.table} WHERE name = ?", (name,)).fetchone()  # noqa: S608 - ours
    return None if row is None else Revision(row[0])


def _next_revision(connection: sqlite3.Connection) -> Revision:
    """Never given twice, not even to an adapter that was deleted and made again: an old etag stays old."""
    row = connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value").fetchone()
    return Revision(row[0])


def _read[Stored: Kept](kind: Kind[Stored], name: str, revision: int, text: bytes) -> Stored:
    try:
        return msgspec.structs.replace(kind.decode(text), revision=Revision(revision))
    except (msgspec.DecodeError, RecursionError) as error:
        raise GatewayError(f"{kind.noun} '{name}' can't be read from the store of desired state: {error}") from error


@contextmanager
def _write(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that holds the write lock from its first statement: what it reads is still true when it writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _sqlite_errors(sentence: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise GatewayError(f"{sentence}: {error}") from error
