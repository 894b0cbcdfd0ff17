from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from highstreet.client.round_log import RoundNote
from highstreet.privacy.noise import SeededNoise
from highstreet.privacy.secure_sum.announced_set import set_sha256
from highstreet.privacy.secure_sum.field import encode, to_bytes
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.protos import rounds_pb2, secure_sum_pb2
from highstreet.simulations.demo import evidence, sum_trials
from highstreet.simulations.demo.round_sums import recomputed_contributors
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.report.record import RoundSum

REQUEST = rounds_pb2.SignedRequest(request=b"a request", signature=b"s" * 64)
MECHANISM = DistributedMechanism(
    dimension=4096,
    clipping_norm=1.0,
    noise_multiplier=4.0,
    floor=4,
    colluders=1,
    stores=6,
    clients_per_store=75,
)


def _reply(number: int, boxes: list[bytes] | None) -> bytes:
    reply = rounds_pb2.RoundReply(
        round=number, request_sha256=hashlib.sha256(REQUEST.request).digest(), member_id="m"
    )
    if boxes is None:
        reply.refusal = rounds_pb2.REFUSAL_BUDGET
    else:
        header = secure_sum_pb2.ContributionHeader(dimension=MECHANISM.dimension)
        contribution = secure_sum_pb2.Contribution(header=header.SerializeToString(), boxes=boxes)
        reply.contribution = contribution.SerializeToString()
    return rounds_pb2.SignedReply(reply=reply.SerializeToString(), signature=b"s" * 64).SerializeToString()


BOXES = [os.urandom(48), os.urandom(4 * MECHANISM.dimension + 16)]


def _ledger(path: Path, replies: list[bytes], sets: Mapping[int, bytes]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE replies (sequence INTEGER PRIMARY KEY, round INTEGER, reply BLOB)")
        connection.execute(
            "CREATE TABLE agreements (sequence INTEGER PRIMARY KEY, phase INTEGER, set_sha256 BLOB)"
        )
        connection.executemany(
            "INSERT INTO replies (round, reply) VALUES (0, ?)", [(one,) for one in replies]
        )
        connection.executemany("INSERT INTO agreements (phase, set_sha256) VALUES (?, ?)", list(sets.items()))
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return _ledger(tmp_path / "ledger.db", [_reply(0, BOXES), _reply(1, None)], {0: b"a" * 32, 1: b"b" * 32})


def _note(what: str, *, number: int = 0, outcome: str = "sent", reason: str = "") -> RoundNote:
    return RoundNote(
        at=1,
        programme_id="p",
        round=number,
        phase="popularity" if number == 0 else "ranker",
        outcome=outcome,
        what=what,
        reason=reason,
        request_bytes=10,
        reply_bytes=len(what) + 100,
        reply_sha256=hashlib.sha256(what.encode()).hexdigest(),
    )


def test_every_message_that_left_is_told_with_its_noise_and_its_hash() -> None:
    notes = [_note(what) for what in ("contribution", "inspection", "agreement", "share of the sum")]
    notes += [_note("contribution", number=1, outcome="refused", reason="it came too late"), _note("")]
    sent = evidence.rounds_sent(notes)
    assert [(each.round, each.what, each.outcome) for each in sent] == [
        (0, "contribution", "sent"),
        (0, "inspection", "sent"),
        (0, "agreement", "sent"),
        (0, "share of the sum", "sent"),
        (1, "contribution", "it came too late"),
        (0, "refusal", "sent"),
    ]
    assert [each.sha256 for each in sent] == [note.reply_sha256 for note in notes]
    assert [each.noise.startswith("yes") for each in sent] == [True, False, False, True, False, False]


def test_agreed_sets_are_read_from_the_ledger(ledger: Path) -> None:
    assert evidence.agreed_sets(ledger) == {0: b"a" * 32, 1: b"b" * 32}


def test_a_name_hidden_in_a_message_is_found_and_others_are_not(ledger: Path) -> None:
    sent = evidence.sent_contributions(ledger)
    assert [each.boxes for each in sent] == [tuple(BOXES)]  # the refusal is no contribution
    hidden = BOXES[1][100:120]
    found = evidence.contribution(
        "Mill Lane", sent, phase=(0, "popularity"), mechanism=MECHANISM, names={hidden, b"oat biscuits"}
    )
    assert found is not None
    assert bytes(found.shown) == BOXES[1][: len(found.shown)]
    assert (found.names_searched, found.names_found) == (2, 1)
    assert (found.boxes, found.dimension) == ((48, 4 * 4096 + 16), 4096)
    assert found.share_stddev_steps == 2.0**MECHANISM.share_log2_stddev


def test_a_refused_phase_has_nothing_to_show(ledger: Path) -> None:
    sent = evidence.sent_contributions(ledger)
    assert evidence.contribution("x", sent, phase=(1, "ranker"), mechanism=MECHANISM, names=set()) is None


def test_random_bytes_pass_for_random_and_shares_and_sums_do_not() -> None:
    size = 4 * MECHANISM.dimension
    random = SeededNoise(5).uint64s(size // 8).tobytes()
    assert sum_trials.uniformity(random).is_random
    share = np.frombuffer(random, dtype="<u4") & np.uint32(2**31 - 1)  # a field element leaves a bit empty
    assert not sum_trials.uniformity(share.astype("<u4").tobytes()).is_random
    noised = MECHANISM.share(np.zeros(MECHANISM.dimension), source=SeededNoise(6))
    plain = sum_trials.uniformity(to_bytes(encode(noised)))
    assert plain.statistic > plain.limit
    assert plain.gained > 1000


def test_too_few_bytes_prove_nothing() -> None:
    with pytest.raises(SimulationsError, match="too few"):
        sum_trials.uniformity(os.urandom(1000))


def _sum(**update: int) -> RoundSum:
    return RoundSum(
        round=0,
        phase="popularity",
        contributors=6,
        floor=4,
        colluders=1,
        committee=6,
        threshold=4,
        agreed=5,
        sets=1,
        set_sha256="00",
        recomputed=6,
        answers=6,
        is_checked=True,
        noise_stddev=1.0,
        noise_stddev_per_shop=2.0,
    ).model_copy(update=update)


def _database(path: Path, *, replies: list[bytes]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE rounds (request BLOB)")
        connection.execute("CREATE TABLE replies (member_id TEXT, reply BLOB)")
        connection.execute("INSERT INTO rounds VALUES (?)", (REQUEST.SerializeToString(),))
        connection.executemany("INSERT INTO replies VALUES ('m', ?)", [(reply,) for reply in replies])
    return path


def _held(contributions: list[evidence.SentContribution], database: Path, **update: int) -> list[bool]:
    checks = sum_trials.check_sums(contributions, [_sum(**update)], database=database)
    return [check.passed for check in checks]


def test_sums_in_order_pass_every_trial(ledger: Path, tmp_path: Path) -> None:
    sent = evidence.sent_contributions(ledger)
    assert _held(sent, _database(tmp_path / "coop.db", replies=[])) == [True] * 4


def test_a_contribution_kept_after_its_round_is_found(ledger: Path, tmp_path: Path) -> None:
    sent = evidence.sent_contributions(ledger)
    kept = _database(tmp_path / "coop.db", replies=[sent[0].signed])
    assert _held(sent, kept) == [True, True, False, True]
    one_box = _database(tmp_path / "other.db", replies=[sent[0].boxes[0]])
    assert _held(sent, one_box) == [True, True, False, True]


def test_a_search_that_finds_no_request_says_that_it_is_blind(ledger: Path, tmp_path: Path) -> None:
    empty = tmp_path / "coop.db"
    with closing(sqlite3.connect(empty)) as connection, connection:
        connection.execute("CREATE TABLE rounds (request BLOB)")
    checks = sum_trials.check_sums(evidence.sent_contributions(ledger), [_sum()], database=empty)
    assert not checks[2].passed
    assert "blind" in checks[2].happened


def test_boxes_that_are_not_sealed_are_told(tmp_path: Path) -> None:
    bare = [sum_trials._unsealed(4 * MECHANISM.dimension)]
    sent = evidence.sent_contributions(_ledger(tmp_path / "ledger.db", [_reply(0, bare)], {}))
    assert _held(sent, _database(tmp_path / "coop.db", replies=[])) == [False, True, True, True]


def test_two_sets_in_one_round_are_told(ledger: Path, tmp_path: Path) -> None:
    sent, database = evidence.sent_contributions(ledger), _database(tmp_path / "coop.db", replies=[])
    assert _held(sent, database, sets=2) == [True, True, True, False]
    assert _held(sent, database, agreed=3) == [True, True, True, False]


def test_the_announced_set_is_found_among_the_shops_own_contributions() -> None:
    headers = [bytes([number]) * 32 for number in range(6)]
    assert recomputed_contributors(headers, set_sha256(headers), floor=4) == 6
    assert recomputed_contributors(headers, set_sha256(headers[1:]), floor=4) == 5
    assert recomputed_contributors(headers, set_sha256(headers[3:]), floor=4) == 0  # below the floor
    assert recomputed_contributors(headers, set_sha256([*headers[1:], b"x" * 32]), floor=4) == 0


def test_pieces_are_found_wherever_they_lie() -> None:
    probes = [os.urandom(32) for _ in range(40)]
    for shift in range(9):
        content = os.urandom(shift) + b"".join(os.urandom(shift) + probe for probe in probes[:17])
        assert sum_trials._count_found(probes, content) == sum(probe in content for probe in probes) == 17
    halves = b"".join(probe[:16] for probe in probes)
    assert sum_trials._count_found(probes, halves) == 0
    assert sum_trials._count_found(probes, b"") == 0
