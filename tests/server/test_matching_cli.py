"""`highstreet coop match` as a coordinator types it, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.canonical import canonical_json
from highstreet.audit.charter import MATCHING, Charter, MatchingTerms, RoundTerms
from highstreet.audit.roster import read_roster
from highstreet.audit.vouches import sign_vouch
from highstreet.cli import main
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.server.database import connect
from highstreet.server.matching_book import MatchingBook, Part
from highstreet.server.membership import roster

Run = Callable[..., tuple[int, str, str]]
FIVE = "ABCDE"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["coop", *(str(word) for word in words)])
        told = capsys.readouterr()
        return status, told.out, told.err

    return command


@pytest.fixture
def matches(
    found: Callable[..., Any], run_coop: Callable[..., Any], charter_with: Callable[..., Charter]
) -> Any:
    """A co-op whose charter matches, without members."""
    charter = charter_with()
    charter = replace(
        charter,
        purposes=(*charter.purposes, MATCHING),
        rounds=RoundTerms(cohort_floor=3, quorum=0.5),
        matching=MatchingTerms(identifiers_per_store=100),
    )
    return run_coop(found("matches", charter=charter))


@pytest.fixture
def join(limits: Any, tmp_path: Path) -> Callable[..., None]:
    """Let stores join; some vouch for each other, or are vouched for by others."""
    allowed = replace(limits, purposes=(*limits.purposes, MATCHING))

    def joined(coop: Any, names: str, *, vouching: str, by: str = "") -> None:
        from datetime import UTC, datetime

        for name in names:
            join_coop(StoreHome(tmp_path / name).ensure(), coop.invite(name), allowed, now=datetime.now(UTC))
        coop_id = coop.home.charter().coop.id
        with closing(connect(coop.home.database)) as connection:
            members = read_roster(canonical_json(roster(connection, coop_id))).members
            chosen = [member for member in members if member.name in vouching]
            for voucher in [each for each in members if each.name in (by or vouching)]:
                key = load_identity(StoreHome(tmp_path / voucher.name)).signing
                for subject in chosen:
                    if subject != voucher:
                        vouch = sign_vouch(coop_id, voucher.member_id, subject, key)
                        connection.execute(
                            "INSERT INTO vouches (voucher, subject, signature) VALUES (?, ?, ?)",
                            (vouch.voucher_id, vouch.subject_id, vouch.signature),
                        )

    return joined


def _requested(coop: Any) -> list[tuple[int, str, str]]:
    with closing(connect(coop.home.database)) as connection:
        return [tuple(row) for row in connection.execute("SELECT number, kind, state FROM programmes")]


def test_a_charter_that_matches_nobody_is_said_first_whoever_is_in(run: Run, coop: Any) -> None:
    status, out, err = run("match", "--home", coop.home.root)
    assert (status, out) == (1, "")
    assert "This co-op's charter matches nobody: it has no section `matching`." in err
    assert "sign it with `highstreet coop charter sign`" in err
    assert _requested(coop) == []


def test_too_few_stores_are_counted_and_what_to_do_depends_on_why(
    run: Run, matches: Any, join: Callable[..., None]
) -> None:
    home = matches.home.root
    join(matches, "ABC", vouching="ABC")
    status, _, err = run("match", "--home", home)
    assert status == 1
    assert "at least 4 stores that all count for each other; of the 3 in the co-op 3 do" in err
    assert "`highstreet coop invite NAME`" in err
    join(matches, "DE", vouching="")
    status, _, err = run("match", "--home", home)
    assert status == 1
    assert "at least 4 stores that all count for each other; of the 5 in the co-op 3 do" in err
    assert "`highstreet store vouch`" in err
    assert run("train", "--home", home)[0] == 0  # three are enough for that


def test_a_part_of_those_who_count_is_not_matched_apart(
    run: Run, matches: Any, join: Callable[..., None]
) -> None:
    join(matches, "ABCDEFG", vouching="ABCD")
    join(matches, "", vouching="EFG", by="A")
    status, _, err = run("match", "--home", matches.home.root)
    assert status == 1
    assert "Of 7 stores that count for some, 4 all count for each other" in err
    assert "`highstreet store vouch`" in err
    assert _requested(matches) == []


def test_a_table_that_has_no_room_is_refused_with_what_to_change(
    run: Run, matches: Any, join: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    join(matches, FIVE, vouching=FIVE)
    monkeypatch.setattr("highstreet.audit.matchings.MESSAGE_LIMIT_BYTES", 1 << 18)
    status, _, err = run("match", "--home", matches.home.root)
    assert status == 1
    assert "5 stores with 100 identifiers each cannot be matched" in err
    assert "name fewer identifiers_per_store" in err


def test_nothing_is_matched_beside_a_training_nor_the_other_way(
    run: Run, matches: Any, join: Callable[..., None]
) -> None:
    home = matches.home.root
    join(matches, FIVE, vouching=FIVE)
    status, out, _ = run("match", "--home", home)
    assert status == 0
    assert "Matching 1 is asked for." in out
    assert "It runs while `highstreet coop run` does." in out
    status, _, err = run("train", "--home", home)
    assert status == 1
    assert "Matching 1 is requested already" in err
    assert "highstreet coop match --wait" in err
    with closing(connect(matches.home.database)) as connection:
        connection.execute("UPDATE programmes SET state = 'failed'")
    assert run("train", "--home", home)[0] == 0
    status, _, err = run("match", "--wait", "--home", home)
    assert status == 1
    assert "Programme 2 is requested already" in err
    assert "highstreet coop train --wait" in err
    assert _requested(matches) == [(1, "matching", "failed"), (2, "training", "requested")]


def test_ctrl_c_ends_the_watching_only_and_the_next_takes_it_up(
    run: Run, matches: Any, join: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    join(matches, FIVE, vouching=FIVE)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    status, out, err = run("match", "--wait", "--home", matches.home.root)
    assert (status, err) == (0, "")
    assert "the matching goes on. See it: highstreet coop status" in out
    status, out, _ = run("match", "--wait", "--home", matches.home.root)
    assert status == 0
    assert "Matching 1 is under way; watching it." in out
    assert _requested(matches) == [(1, "matching", "requested")]


def _opened(coop: Any, *, told: int, state: str, failure: str = "") -> None:
    """What the coordinator has on record once the sum is open and so many of five stores were told."""
    from highstreet.audit.matching_requests import sign_matching_request
    from highstreet.audit.matchings import matching_request

    with closing(connect(coop.home.database)) as connection:
        book = MatchingBook(connection, clock=lambda: 2_000_000_000)
        (programme_id,) = connection.execute("SELECT programme_id FROM programmes").fetchone()
        ids = [row[0] for row in connection.execute("SELECT member_id FROM members ORDER BY name")]
        if book.found(programme_id) is None:
            request = matching_request(
                coop.home.charter(),
                matching_id=programme_id,
                roster_sha256=b"r" * 32,
                participants=ids,
                opened_at=2_000_000_000,
            )
            signed = sign_matching_request(request, coop.home.coordinator_key())
            book.open(programme_id, lambda now: signed.SerializeToString())
            for holder in request.holders:
                book.save(programme_id, Part.KEY, holder, b"key")
                for one in ids:
                    book.save(programme_id, Part.EVALUATIONS, one, b"e", holder_id=holder)
            for one in ids:
                book.save(programme_id, Part.LIST, one, b"list")
            connection.execute(
                "INSERT INTO rounds (programme_id, round, phase, request, opened_at, closed_at, contributors,"
                " answers, wrong, is_checked) VALUES (?, 0, 'matching_table', x'00', 10, 25, 5, 5, 0, 1)",
                (programme_id,),
            )
            connection.executemany(
                "INSERT INTO replies (programme_id, round, member_id, received_at, announced)"
                " VALUES (?, 0, ?, 0, 1)",
                [(programme_id, one) for one in ids],
            )
            book.keep_evidence(programme_id, b"evidence", until=2_000_003_600)
        for one in ids[:told]:
            book.save(programme_id, Part.COUNTS, one, b"")
        connection.execute("UPDATE programmes SET state = ?, failure = ?", (state, failure))


def test_waiting_shows_each_part_once_and_who_can_still_be_told(
    run: Run, matches: Any, join: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    join(matches, FIVE, vouching=FIVE)
    ends = iter([(3, "running"), (3, "running"), (4, "finished")])

    def works(seconds: float) -> None:
        told, state = next(ends)
        _opened(matches, told=told, state=state)

    monkeypatch.setattr(time, "sleep", works)
    status, out, err = run("match", "--wait", "--home", matches.home.root)
    assert (status, err) == (0, "")
    assert [line.strip() for line in out.splitlines()] == [
        "Matching 1 is asked for.",
        "It runs while `highstreet coop run` does.",
        "key holders: 2 of 2",
        "lists: 5 of 5 stores",
        "evaluations: 10 of 10",
        "tables: 5 stores in the sum; answers of the committee: 5, checked",
        "counts: 3 of 5 stores have dealt with the sum",
        "can still be told, until 2033-05-18 04:33 UTC: D, E",
        "counts: 4 of 5 stores have dealt with the sum",
        "can still be told, until 2033-05-18 04:33 UTC: E",
        "The matching is finished: stores know their own customers' counts, and nobody else does.",
    ]
    said = run("status", "--home", matches.home.root)[1]
    assert "Matching 1 is finished." in said
    assert "counts: 4 of 5 stores have dealt with the sum" in said
    assert "can still be told, until 2033-05-18 04:33 UTC: E" in said


def test_a_matching_that_failed_says_why_and_what_to_do(
    run: Run, matches: Any, join: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    join(matches, FIVE, vouching=FIVE)
    monkeypatch.setattr(
        time, "sleep", lambda seconds: _opened(matches, told=0, state="failed", failure="E was silent.")
    )
    status, _, err = run("match", "--wait", "--home", matches.home.root)
    assert status == 1
    assert "The matching failed: E was silent." in err
    assert "highstreet coop status" in err
    assert "Matching 1 is failed. E was silent." in run("status", "--home", matches.home.root)[1]


def test_the_help_teaches_what_a_matching_needs_and_what_it_tells(run: Run) -> None:
    status, out, _ = run("match", "--help")
    assert status == 0
    words = " ".join(out.split())
    for taught in (
        "section [matching]",
        "four stores",
        "stay online",
        "once in period_days",
        "You see none of it",
        "coop status",
        "does not run beside a training",
    ):
        assert taught in words
