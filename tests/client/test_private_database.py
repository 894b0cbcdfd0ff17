"""A private database: private, whole, of this program and version, durable; what is deleted is gone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from highstreet.client.database_kind import DatabaseKind, Fault, fault_of
from highstreet.client.errors import (
    ClientError,
    LedgerBusyError,
    LedgerFullError,
    LedgerTooNewError,
    LedgerUnreadableError,
    MatchingStateError,
    VaultBusyError,
    VaultFullError,
    VaultTooNewError,
    VaultUnreadableError,
)
from highstreet.client.ledger_file import LEDGER_KIND
from highstreet.client.matching_file import MATCHING_KIND
from highstreet.client.private_database import PrivateDatabase
from highstreet.client.vault import vault_kind

KINDS = [
    pytest.param(vault_kind(), id="vault"),
    pytest.param(LEDGER_KIND, id="ledger"),
    pytest.param(MATCHING_KIND, id="matching"),
]
FORGETFUL = [pytest.param(vault_kind(), id="vault"), pytest.param(MATCHING_KIND, id="matching")]
SECRET = b"ann@example.org, and her key"
ROWS = 400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "some.db"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _bytes(folder: Path) -> bytes:
    """Everything in a folder: the file with its free pages, logs and journals."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def _fill(database: PrivateDatabase) -> None:
    """Rows over many pages, some of them overflowing, each with the secret in it."""
    with database.writing() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS spare (x INTEGER PRIMARY KEY, secret BLOB)")
        connection.executemany(
            "INSERT INTO spare VALUES (?, ?)",
            ((number, SECRET + bytes(20 * number) + SECRET) for number in range(ROWS)),
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_the_owner_can_read_the_files_whatever_the_umask(
    path: Path, kind: DatabaseKind, umask: int
) -> None:
    before = os.umask(umask)
    try:
        with closing(PrivateDatabase.open(path, kind)) as database, database.writing() as connection:
            connection.execute("CREATE TABLE spare (x)")
            files = list(path.parent.iterdir())
            beside = {"-wal", "-shm"} if kind.has_write_ahead_log else {"-journal"}
            assert {file.name for file in files} == {"some.db"} | {f"some.db{ending}" for ending in beside}
            assert {_mode(file) for file in files} == {0o600}
        assert _mode(path.parent) == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", KINDS)
def test_what_became_readable_to_others_is_made_private_again(path: Path, kind: DatabaseKind) -> None:
    PrivateDatabase.open(path, kind).close()
    path.chmod(0o644)
    path.parent.chmod(0o755)
    PrivateDatabase.open(path, kind).close()
    assert (_mode(path), _mode(path.parent)) == (0o600, 0o700)


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_is_forced_to_the_disk_and_overwrites_what_it_replaces(
    path: Path, kind: DatabaseKind
) -> None:
    full, extra = 2, 3
    wanted = {
        "journal_mode": "wal" if kind.has_write_ahead_log else "delete",
        "synchronous": full if kind.has_write_ahead_log else extra,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "secure_delete": 1,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "application_id": kind.application_id,
        "user_version": len(kind.migrations),
    }
    for _ in ("made", "opened again"):
        with closing(PrivateDatabase.open(path, kind)) as database:
            held = {name: database.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
        assert held == wanted


@pytest.mark.parametrize("kind", FORGETFUL)
def test_what_was_deleted_is_in_no_file_though_another_connection_is_open(
    path: Path, kind: DatabaseKind
) -> None:
    with closing(PrivateDatabase.open(path, kind)) as database, closing(PrivateDatabase.open(path, kind)):
        _fill(database)
        assert SECRET in _bytes(path.parent)
        with database.writing() as connection:
            connection.execute("DELETE FROM spare WHERE x < ?", (ROWS - 1,))
            connection.execute("UPDATE spare SET secret = NULL")
        assert SECRET not in _bytes(path.parent)
        (free_pages,) = database.connection.execute("PRAGMA freelist_count").fetchone()
        assert free_pages > ROWS  # which is where it would have been


@pytest.mark.parametrize("how", ["log", "free pages"])
def test_without_forgetting_a_deleted_secret_would_be_found(path: Path, how: str) -> None:
    kind = replace(vault_kind(), forgets=how != "log")
    with closing(PrivateDatabase.open(path, kind)) as database, closing(PrivateDatabase.open(path, kind)):
        if how == "free pages":
            database.connection.execute("PRAGMA secure_delete = OFF")
        _fill(database)
        with database.writing() as connection:
            connection.execute("DELETE FROM spare")
        place = path if how == "free pages" else path.with_name("some.db-wal")
        assert SECRET in place.read_bytes()


def test_a_reader_keeps_the_log_for_as_long_as_it_reads_and_stops_no_change(path: Path) -> None:
    kind = vault_kind()
    with closing(PrivateDatabase.open(path, kind)) as database:
        _fill(database)
        reader = PrivateDatabase.open(path, kind)
        with reader.reading() as seen:
            assert seen.execute("SELECT count(*) FROM spare").fetchone() == (ROWS,)
            with database.writing() as connection:
                connection.execute("DELETE FROM spare")
            assert SECRET in _bytes(path.parent)  # what the reader sees has to be somewhere
            assert seen.execute("SELECT count(*) FROM spare").fetchone() == (ROWS,)
        reader.close()
        assert SECRET not in _bytes(path.parent)
        assert database.connection.execute("SELECT count(*) FROM spare").fetchone() == (0,)


def test_a_log_left_by_a_killed_process_is_emptied_when_the_database_is_opened(
    path: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    with closing(PrivateDatabase.open(path, replace(vault_kind(), forgets=False))) as database:
        _fill(database)
        with database.writing() as connection:
            connection.execute("DELETE FROM spare")
        shutil.copytree(path.parent, killed)  # as the files lie when nobody closes them
    assert SECRET in _bytes(killed)
    with closing(PrivateDatabase.open(killed / path.name, vault_kind())) as again:
        assert SECRET not in _bytes(killed)
        assert again.connection.execute("SELECT count(*) FROM spare").fetchone() == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_another_programs_database_is_refused_and_left_alone(path: Path, kind: DatabaseKind) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mail (body)")
    before = path.read_bytes()
    with pytest.raises(kind.root, match="another program") as caught:
        PrivateDatabase.open(path, kind)
    assert type(caught.value) in {VaultUnreadableError, LedgerUnreadableError, MatchingStateError}
    assert "--home" in caught.value.next_step
    assert path.read_bytes() == before


def test_each_kind_refuses_the_others(tmp_path: Path) -> None:
    kinds = (vault_kind(), LEDGER_KIND, MATCHING_KIND)
    for number, kind in enumerate(kinds):
        path = tmp_path / f"{number}.db"
        PrivateDatabase.open(path, kind).close()
        for other in kinds:
            if other is not kind:
                with pytest.raises(other.root, match="another program"):
                    PrivateDatabase.open(path, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_schema_is_refused_and_left_alone(path: Path, kind: DatabaseKind) -> None:
    PrivateDatabase.open(
        path, replace(kind, migrations=(*kind.migrations, "CREATE TABLE later (x);"))
    ).close()
    before = path.read_bytes()
    with pytest.raises(kind.root, match="newer Highstreet") as caught:
        PrivateDatabase.open(path, kind)
    assert type(caught.value) in {VaultTooNewError, LedgerTooNewError, MatchingStateError}
    assert "Update Highstreet" in caught.value.for_user()
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows(path: Path, kind: DatabaseKind) -> None:
    with closing(PrivateDatabase.open(path, kind)) as database:
        _fill(database)
    newer = replace(
        kind, migrations=(*kind.migrations, "CREATE TABLE later (x);\nINSERT INTO later VALUES (7);")
    )
    with closing(PrivateDatabase.open(path, newer)) as database:
        assert database.connection.execute("SELECT x FROM later").fetchall() == [(7,)]
        assert database.connection.execute("SELECT count(*) FROM spare").fetchone() == (ROWS,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_migration_that_fails_leaves_the_version_before(path: Path, kind: DatabaseKind) -> None:
    PrivateDatabase.open(path, kind).close()
    broken = "CREATE TABLE later (x);\nINSERT INTO nowhere VALUES (1);"
    with pytest.raises(kind.root):
        PrivateDatabase.open(path, replace(kind, migrations=(*kind.migrations, broken)))
    with closing(PrivateDatabase.open(path, kind)) as database, database.reading() as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert "later" not in tables
        assert connection.execute("PRAGMA user_version").fetchone() == (len(kind.migrations),)


@pytest.mark.parametrize("kind", KINDS)
def test_many_who_make_a_database_at_once_make_one(path: Path, kind: DatabaseKind) -> None:
    barrier, failures = threading.Barrier(6), []

    def make() -> None:
        barrier.wait()
        try:
            PrivateDatabase.open(path, kind).close()
        except ClientError as error:
            failures.append(error.for_user())

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with closing(PrivateDatabase.open(path, kind)) as database:
        assert database.connection.execute("PRAGMA user_version").fetchone() == (len(kind.migrations),)
        if kind.identity is not None:
            assert database.connection.execute("SELECT count(*) FROM identity").fetchone() == (1,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_database_that_another_process_is_making_is_waited_for(path: Path, kind: DatabaseKind) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the kind of journal cannot be changed, and SQLite does not wait
        opened: list[str | None] = []

        def make() -> None:
            try:
                PrivateDatabase.open(path, kind).close()
                opened.append(None)
            except ClientError as error:
                opened.append(error.for_user())

        thread = threading.Thread(target=make)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), opened
        other.execute("ROLLBACK")
        thread.join()
    assert opened == [None]


def test_nobody_is_waited_for_without_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("highstreet.client.private_database._BUSY_TIMEOUT_SECONDS", 0.2)
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerBusyError, match="Another Highstreet command"):
            PrivateDatabase.open(path, LEDGER_KIND)
    PrivateDatabase.open(path, LEDGER_KIND).close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_told_and_left_alone(path: Path, kind: DatabaseKind) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 8192)
    with pytest.raises(kind.root, match="damaged") as caught:
        PrivateDatabase.open(path, kind)
    assert caught.value.next_step == kind.repair
    assert path.read_bytes() == b"x" * 8192


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.values[0].is_checked_whole])
def test_one_that_is_looked_at_as_a_whole_is_refused_for_any_page_or_reference(
    path: Path, kind: DatabaseKind
) -> None:
    with closing(PrivateDatabase.open(path, kind)) as database:
        _fill(database)
        (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
    whole = path.read_bytes()
    page_bytes = len(whole) // pages
    middle = pages // 2 * page_bytes
    path.write_bytes(whole[:middle] + b"\xff" * page_bytes + whole[middle + page_bytes :])
    with pytest.raises(kind.root, match="damaged"):
        PrivateDatabase.open(path, kind)
    path.write_bytes(whole)
    with closing(sqlite3.connect(path)) as other:  # which does not look at references
        other.execute("CREATE TABLE referring (x REFERENCES spare (x))")
        other.execute("INSERT INTO referring VALUES (?)", (ROWS + 1,))
        other.commit()
    with pytest.raises(kind.root, match="damaged"):
        PrivateDatabase.open(path, kind)


@pytest.fixture(params=KINDS)
def database(path: Path, request: pytest.FixtureRequest) -> Iterator[PrivateDatabase]:
    with closing(PrivateDatabase.open(path, request.param)) as opened:
        _fill(opened)
        yield opened


def test_a_full_disk_is_told_and_changes_nothing(database: PrivateDatabase) -> None:
    (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
    database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(database.kind.root, match="is full") as caught, database.writing() as connection:
        connection.execute("INSERT INTO spare VALUES (?, zeroblob(1000000))", (ROWS,))
    assert type(caught.value) in {VaultFullError, LedgerFullError, MatchingStateError}
    assert database.kind.outcome in caught.value.what
    assert "Free some space" in caught.value.next_step
    assert database.connection.execute("SELECT count(*) FROM spare").fetchone() == (ROWS,)


def test_a_second_writer_is_told_to_wait(database: PrivateDatabase) -> None:
    with closing(PrivateDatabase.open(database.path, database.kind)) as other:
        other.connection.execute("PRAGMA busy_timeout = 1")
        with (
            database.writing(),
            pytest.raises(database.kind.root, match="Another Highstreet command") as caught,
            other.writing(),
        ):
            pass
    assert type(caught.value) in {VaultBusyError, LedgerBusyError, MatchingStateError}


def test_a_block_that_fails_changes_nothing_whatever_it_fails_with(database: PrivateDatabase) -> None:
    def change(then: str) -> None:
        with database.writing() as connection:
            connection.execute("DELETE FROM spare WHERE x > 0")
            connection.execute("INSERT INTO spare VALUES (?, 'ann')", ({"no such thing": 1}[then],))

    with pytest.raises(KeyError):
        change("something else")
    database.connection.execute("CREATE UNIQUE INDEX one_ann ON spare (secret) WHERE secret = 'ann'")
    database.connection.execute("INSERT INTO spare VALUES (-1, 'ann')")
    with pytest.raises(database.kind.root, match="contradicts") as caught:
        change("no such thing")
    assert "ann" not in caught.value.for_user()
    assert database.connection.execute("SELECT count(*) FROM spare").fetchone() == (ROWS + 1,)


def test_a_place_that_cannot_be_a_database_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(MatchingStateError, match="by this user") as caught:
        PrivateDatabase.open(path, MATCHING_KIND)
    assert caught.value.next_step


@pytest.mark.parametrize("number", [28, 122])  # ENOSPC, EDQUOT
def test_a_full_disk_is_one_whoever_says_so(number: int) -> None:
    assert fault_of(OSError(number, "")) is Fault.FULL
    assert fault_of(OSError(5, "")) is Fault.DISK
    assert fault_of(sqlite3.ProgrammingError("an error of Python's own")) is Fault.DAMAGED
