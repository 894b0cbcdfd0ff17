"""What the coordinator remembers of a round: the first word stands, and it goes when it is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from highstreet.models.plan import PhaseKind, PhasePlan
from highstreet.models.state import SharedState
from highstreet.server.checkpoints import Checkpoints, OpenRound, Outcome, Stage
from highstreet.server.database import connect
from highstreet.server.matching_book import MatchingBook

PHASE = PhasePlan(
    index=0, name="sums", kind=PhaseKind.STATISTICS, dimension=2, clipping_norm=1.0, noise_multiplier=1.0
)
ONE = SharedState({"a": np.ones(2)})


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Checkpoints]:
    with closing(connect(tmp_path / "coop.db", create=True)) as connection:
        connection.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
            " VALUES ('p1', 1, 0, 'running', x'00')"
        )
        for number in range(1, 5):
            connection.execute(
                "INSERT INTO members (member_id, name, signing_public_key,"
                " encryption_public_key, node_public_key, keys_sha256,"
                " certificate_serial, certificate_pem, claimed_at, joined_at)"
                " VALUES (?, ?, ?, ?, ?, x'00', ?, x'00', 1, 1)",
                (f"m{number}", f"shop {number}", *[bytes([number])] * 3, str(number)),
            )
        yield Checkpoints(connection, clock=lambda: 100.0)


def _open(book: Checkpoints, mark: bytes = b"") -> OpenRound:
    return book.open_round("p1", PHASE, lambda _: (b"request" + mark, b"state" + mark))


def _outcome(contributors: int) -> Outcome:
    return Outcome(contributors=contributors, answers=4, wrong=0, is_checked=False)


def test_a_round_is_asked_in_one_form_only(book: Checkpoints) -> None:
    first = _open(book)
    assert _open(book, b" another") == first
    assert (first.signed_request, first.state, first.opened_at) == (b"request", b"state", 100)


def test_the_first_announced_set_stands(book: Checkpoints) -> None:
    opened = _open(book)
    assert book.announced(opened) is None
    for member_id in ("m3", "m1", "m2"):
        book.save_reply(opened, member_id, reply=b"c")
    first = book.announce(opened, ["m1", "m3"], set_sha256=b"h")
    assert first.contributors == ("m1", "m3")
    assert book.announce(opened, ["m1", "m2", "m3"], set_sha256=b"other") == first
    assert book.announced(opened) == first


def test_replies_of_the_committee_are_kept_by_stage_in_the_order_they_came(book: Checkpoints) -> None:
    opened = _open(book)
    for member_id in ("m2", "m1"):
        book.save_committee_reply(opened, Stage.AGREEMENT, member_id, reply=b"yes")
    book.save_committee_reply(opened, Stage.AGREEMENT, "m2", reply=b"another")
    book.save_committee_reply(opened, Stage.ANSWER, "m1", reply=b"share")
    agreements = book.committee_replies(opened, Stage.AGREEMENT)
    assert [(stored.member_id, stored.reply) for stored in agreements] == [("m2", b"yes"), ("m1", b"yes")]
    assert [stored.reply for stored in book.committee_replies(opened, Stage.ANSWER)] == [b"share"]


@pytest.mark.parametrize("end", ["close", "fail", "finish"])
def test_what_stores_sent_is_dropped_at_the_end_and_refusals_stay(book: Checkpoints, end: str) -> None:
    opened = _open(book)
    book.save_reply(opened, "m1", reply=b"c")
    book.save_reply(opened, "m2", reply=b"no", refusal="budget")
    book.save_committee_reply(opened, Stage.ANSWER, "m1", reply=b"share")
    if end == "close":
        book.close_round(opened, ONE, _outcome(1))
    elif end == "fail":
        book.mark_failed("p1", "Too few stores answered.")
    else:
        book.mark_finished("p1")
    kept = {stored.member_id: stored.reply for stored in book.replies(opened)}
    assert kept == {"m1": b"", "m2": b"no"}
    assert book.committee_replies(opened, Stage.ANSWER) == []
    assert _open(book).state == b""


def test_a_closed_round_is_not_closed_again_with_another_state(book: Checkpoints) -> None:
    opened = _open(book)
    book.close_round(opened, ONE, _outcome(2))
    book.close_round(opened, SharedState({"a": np.zeros(2)}), _outcome(3))
    assert book.last_closed("p1") == (0, ONE.to_bytes())
    assert book.contributors("p1") == (2,)


@pytest.mark.parametrize("ended", ["finished", "failed", ""])
def test_marking_what_is_over_as_failed_changes_and_drops_nothing(book: Checkpoints, ended: str) -> None:
    """The twin is a programme that runs: all of it goes."""
    opened, connection = _open(book), book._connection
    if ended:
        connection.execute("UPDATE programmes SET state = ?, finished_at = 7", (ended,))
    MatchingBook(connection).open("p1", lambda now: b"request")
    MatchingBook(connection).keep_evidence("p1", b"evidence", until=2**40)
    book.save_reply(opened, "m1", reply=b"c")
    book.save_committee_reply(opened, Stage.ANSWER, "m1", reply=b"share")
    book.mark_failed("p1", "It died.")
    state, failure = connection.execute("SELECT state, failure FROM programmes").fetchone()
    assert (state, failure) == ((ended, "") if ended else ("failed", "It died."))
    assert MatchingBook(connection).evidence("p1") == (b"evidence" if ended else b"")
    assert [stored.reply for stored in book.replies(opened)] == [b"c" if ended else b""]
    assert len(book.committee_replies(opened, Stage.ANSWER)) == (1 if ended else 0)
