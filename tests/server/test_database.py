"""coop.db forgets nothing it was told, and says what is wrong with it."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from highstreet.server.database import _MIGRATIONS, connect, transaction
from highstreet.server.errors import DatabaseError
from highstreet.server.membership import current_members
from highstreet.server.programmes import round_summaries

_INSERT = "INSERT INTO programmes VALUES "


def test_a_new_database_is_private_and_fully_synchronous(tmp_path: Path) -> None:
    path = tmp_path / "coop.db"
    connection = connect(path, create=True)
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    connection.execute(_INSERT + "('a', 1, 0, NULL, 'requested', '', x'00', 0, 'training', NULL)")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    connection.close()
    assert connect(path).execute("SELECT count(*) FROM programmes").fetchone()[0] == 1


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    connection = connect(tmp_path / "coop.db", create=True)

    def interrupted() -> None:
        with transaction(connection):
            connection.execute(_INSERT + "('a', 1, 0, NULL, 'requested', '', x'00', 0, 'training', NULL)")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert connection.execute("SELECT count(*) FROM programmes").fetchone()[0] == 0
    assert not connection.in_transaction


def test_only_one_programme_can_be_active(tmp_path: Path) -> None:
    connection = connect(tmp_path / "coop.db", create=True)
    connection.execute(_INSERT + "('a', 1, 0, NULL, 'running', '', x'00', 0, 'training', NULL)")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(_INSERT + "('b', 2, 0, NULL, 'requested', '', x'00', 0, 'training', NULL)")
    connection.execute(_INSERT + "('c', 3, 0, NULL, 'finished', '', x'00', 0, 'training', NULL)")


def test_a_programme_of_an_older_file_keeps_the_day_it_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "coop.db"
    connection = _old_file(path, version=1)
    connection.execute(_INSERT + "('a', 1, ?, NULL, 'finished', '', x'00')", (86_400 * 9 + 5,))
    connection.commit()
    connection.close()
    assert connect(path).execute("SELECT as_of_day FROM programmes").fetchone()[0] == 9


def test_memberships_without_an_encryption_key_end_with_the_update(tmp_path: Path) -> None:
    path = tmp_path / "coop.db"
    connection = _old_file(path, version=2)
    connection.execute(
        "INSERT INTO members VALUES ('a', 'A', x'01', x'02', x'03', 7, 's', x'04', 5, 6, NULL)"
    )
    connection.execute(
        "INSERT INTO members VALUES ('b', 'B', x'05', x'06', x'07', 8, 't', x'08', 5, 6, NULL)"
    )
    connection.commit()
    connection.close()
    updated = connect(path)
    assert current_members(updated) == []
    assert [row["name"] for row in updated.execute("SELECT name FROM members ORDER BY name")] == ["A", "B"]


def test_a_programme_from_before_the_secure_sum_ends_and_what_stores_sent_for_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "coop.db"
    connection = _old_file(path, version=3)
    for number, state in enumerate(("finished", "running"), start=1):
        connection.execute(
            f"INSERT INTO programmes VALUES ('p{number}', {number}, 0, NULL, '{state}', '', x'00', 0)"  # noqa: S608
        )
        connection.execute(f"INSERT INTO rounds VALUES ('p{number}', 0, 'x', x'01', 5, NULL, NULL, NULL)")  # noqa: S608
    connection.execute(
        "INSERT INTO members VALUES ('a', 'A', x'01', x'02', x'03', 7, 's', x'04', 5, 6, NULL, x'05')"
    )
    connection.execute("INSERT INTO replies VALUES ('p2', 0, 'a', x'06', '', 7)")
    connection.commit()
    connection.close()
    updated = connect(path)
    ended = updated.execute("SELECT state, failure FROM programmes ORDER BY number").fetchall()
    assert [row["state"] for row in ended] == ["finished", "failed"]
    assert [row["failure"] for row in ended] == [
        "",
        "The software was updated while it ran. Nothing was released.",
    ]
    assert updated.execute("SELECT reply FROM replies").fetchone()[0] is None
    (summary,) = round_summaries(updated, "p1")
    assert (summary.answers, summary.committee) == (None, "")


def _old_file(path: Path, *, version: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    for script in _MIGRATIONS[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version = {version}")
    return connection


def test_a_missing_database_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        connect(tmp_path / "coop.db")
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "coop.db").write_text("no database, but long enough to be looked at as one " * 20)
    with pytest.raises(DatabaseError, match="not a database of ours"):
        connect(tmp_path / "coop.db")


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    connection = connect(tmp_path / "coop.db", create=True)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DatabaseError, match="newer version"):
        connect(tmp_path / "coop.db")


def test_a_full_disk_is_said_and_undone(tmp_path: Path) -> None:
    from highstreet.files import DiskFullError

    connection = connect(tmp_path / "coop.db", create=True)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    rows = [(f"p{number}", number, "x" * 500) for number in range(1000)]
    with pytest.raises(DiskFullError, match="nothing was changed"), transaction(connection):
        connection.executemany(_INSERT + "(?, ?, 0, NULL, 'finished', ?, x'00', 0, 'training', NULL)", rows)
    assert connection.execute("SELECT count(*) FROM programmes").fetchone()[0] == 0
