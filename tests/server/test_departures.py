"""The SuperLink hears of everybody who left, once, however often it fails to answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from highstreet.server.database import connect
from highstreet.server.departures import release_nodes
from highstreet.server.errors import SuperLinkError
from highstreet.server.home import CoopHome


@pytest.fixture
def database(coop_home: CoopHome) -> Iterator[sqlite3.Connection]:
    connection = connect(coop_home.database)
    # Who stays, who left, who left without a node, and a claim that was given up.
    for mark, node, joined, left in ((1, 11, 5, None), (2, 12, 5, 9), (3, None, 5, 9), (4, 14, None, 9)):
        connection.execute(
            "INSERT INTO members (member_id, name, signing_public_key, encryption_public_key,"
            " node_public_key, keys_sha256, node_id,"
            " certificate_serial, certificate_pem, claimed_at, joined_at, left_at)"
            " VALUES (?, ?, ?, ?, ?, x'00', ?, ?, x'00', 1, ?, ?)",
            (f"m{mark}", f"shop {mark}", *[bytes([mark])] * 3, node, str(mark), joined, left),
        )
    yield connection
    connection.close()


def test_the_nodes_of_those_who_left_are_refused_once(database: sqlite3.Connection) -> None:
    refused: list[int] = []
    assert release_nodes(database, refused.append) == 2
    assert release_nodes(database, refused.append) == 0
    assert sorted(refused) == [12, 14]
    kept = database.execute("SELECT member_id, node_id FROM members WHERE node_id IS NOT NULL").fetchall()
    assert [tuple(row) for row in kept] == [("m1", 11)]


def test_a_superlink_that_does_not_answer_is_told_the_next_time(database: sqlite3.Connection) -> None:
    def away(node_id: int) -> None:
        raise SuperLinkError("The SuperLink does not answer.")

    with pytest.raises(SuperLinkError):
        release_nodes(database, away)
    refused: list[int] = []
    release_nodes(database, refused.append)
    assert sorted(refused) == [12, 14]
