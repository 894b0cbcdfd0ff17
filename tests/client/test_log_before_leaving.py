"""What leaves or is refused is in the store's log before, has room in it, and tells of no customer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.attestation import AttestedKind, ConsentBasis
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.errors import LogRewoundError
from highstreet.audit.log_entries import LogEntry
from highstreet.audit.matchings import TABLE_PHASE
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.attested_use import commit_to_round
from highstreet.client.errors import AttestationRecordError, LedgerRewoundError, RoundRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger
from highstreet.client.ledger_file import mark_path
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.store_log import StoreLog
from highstreet.privacy.secure_sum import SumRefusal
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, REFUSAL_RELEASE, RefusalCode
from tests.client.logged_store import spend_once, steps_in


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: Any) -> StoreHome:
    home = StoreHome(tmp_path / "store").ensure()
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


@pytest.fixture
def log(store: StoreHome) -> StoreLog:
    return StoreLog(store)


@pytest.fixture
def ledger(store: StoreHome) -> Iterator[Ledger]:
    with closing(Ledger.open(store.ledger)) as opened:
        yield opened


def test_what_leaves_is_in_the_log_before_it_is_given(log: StoreLog, ledger: Ledger) -> None:
    body = b"sealed bytes"

    def answer(message: bytes) -> RoundAnswer:
        spend_once(ledger)
        return RoundAnswer(body=body, step=Step.CONTRIBUTION, programme_id="ab", round=3, phase="popularity")

    for _ in range(2):
        assert log.answering(answer, ledger)(b"request").body == body
    assert steps_in(log) == [("opening", None), ("spend", None), ("spend", None), ("round", "sent")]


def test_nothing_leaves_when_the_log_cannot_be_written(
    store: StoreHome, log: StoreLog, ledger: Ledger
) -> None:
    (store.log / "heads").write_bytes(b"")
    given = RoundAnswer(body=b"sealed", step=Step.CONTRIBUTION, programme_id="ab", round=3, phase="p")
    with pytest.raises(LogRewoundError):
        log.answering(lambda _: given, ledger)(b"request")


def test_refusals_fill_no_disk(log: StoreLog, ledger: Ledger) -> None:
    refused = RoundAnswer(body=b"no", step=Step.CONTRIBUTION, refusal=REFUSAL_BUDGET)
    for _ in range(50):
        log.answering(lambda _: refused, ledger)(b"request")
    assert log.book.size == 2


def test_trainings_begun_in_vain_fill_no_disk(store: StoreHome) -> None:
    """Naming another training in each request costs a coordinator nothing, and a store an entry for good."""
    now = 20_000 * 86_400.0
    log = StoreLog(store, clock=lambda: now)
    holds = log.noting_days(lambda programme_id, day: True)
    for number in range(64):
        assert holds(f"{number:016x}", 20_000)
    for number in range(64, 200):
        with pytest.raises(RoundRefusedError) as refused:
            holds(f"{number:016x}", 20_000)
        assert refused.value.code == REFUSAL_RELEASE
    assert log.book.size == 1 + 64
    assert holds(f"{0:016x}", 20_000)  # one that was begun goes on
    now += 86_400
    assert holds(f"{200:016x}", 20_000)


@pytest.mark.parametrize("step", list(Step))
def test_whatever_leaves_has_room_in_the_log(log: StoreLog, ledger: Ledger, step: Step) -> None:
    for phase in ("popularity", "matching", TABLE_PHASE):
        given = RoundAnswer(body=phase.encode(), step=step, programme_id="f" * 64, round=2**31, phase=phase)
        log.answering(lambda _, given=given: given, ledger)(b"request")
    assert log.book.size == 4


@pytest.mark.parametrize("refusal", [*RefusalCode.values()[1:], *SumRefusal])
def test_whatever_is_refused_has_room_in_the_log(log: StoreLog, ledger: Ledger, refusal: Any) -> None:
    field = "sum_refusal" if isinstance(refusal, SumRefusal) else "refusal"
    given = RoundAnswer(body=b"no", **{field: refusal})
    log.answering(lambda _: given, ledger)(b"request")
    assert log.book.size == 2


def test_a_spend_whose_process_died_before_the_log_was_written_is_in_it_once(
    store: StoreHome, log: StoreLog, ledger: Ledger
) -> None:
    spend_once(ledger)
    for _ in range(2):
        StoreLog(store).settle(ledger)
    log.settle(ledger)
    assert [kind for kind, _ in steps_in(log)] == ["opening", "spend", "spend"]


@pytest.mark.parametrize("how", ["lost", "put back", "put back and spent from"])
def test_a_ledger_that_is_lost_or_put_back_with_its_mark_is_missed_by_the_log(
    store: StoreHome, log: StoreLog, how: str, tmp_path: Path
) -> None:
    both = [store.ledger, mark_path(store.ledger)]
    with closing(Ledger.open(store.ledger)) as opened:
        log.settle(opened)
    for place in both:
        shutil.copy(place, tmp_path / place.name)
    with closing(Ledger.open(store.ledger)) as opened:
        spend_once(opened)
        StoreLog(store).settle(opened)
        StoreLog(store).settle(opened)  # of one that is whole there is no alarm
    before = steps_in(StoreLog(store))
    for place in both:
        place.unlink()
        if how != "lost":
            shutil.copy(tmp_path / place.name, place)
    with closing(Ledger.open(store.ledger)) as opened:
        if "spent" in how:
            spend_once(opened, reply=b"another reply")
        with pytest.raises(LedgerRewoundError) as caught:
            StoreLog(store).settle(opened)
    assert "store restored" in caught.value.for_user()
    assert steps_in(StoreLog(store)) == before


def test_no_entry_tells_of_customers_or_how_many(log: StoreLog, ledger: Ledger, store: StoreHome) -> None:
    spend_once(ledger)
    log.settle(ledger)
    data = (store.log / "entries.jsonl").read_bytes()
    assert b"customer-" not in data
    spend = LogEntry.from_document(log.book.entries(1, 1)[0]).draft.body
    assert set(spend) == {
        "event",
        "sequence",
        "chain",
        "programme_id",
        "phase",
        "request_sha256",
        "day",
        "noise_multiplier",
        "sampling_rate",
    }


def _contributed(number: int, *, refusal: int | None = None) -> RoundAnswer:
    return RoundAnswer(
        body=b"sealed %d" % number,
        step=Step.CONTRIBUTION,
        programme_id="ab" * 8,
        round=number,
        phase="popularity",
        refusal=refusal,  # type: ignore[arg-type]  # a code of the closed list
        attestation_sha256=None if refusal is not None else b"a" * 32,
    )


def _keep_attested(store: StoreHome, name: AttestedName, basis: ConsentBasis) -> None:
    AttestationBook(store).keep(
        commit_to_round(
            {},
            {},
            name=name,
            basis=basis,
            request_sha256=bytes(32),
            policy={},
            epsilon=0.5,
            delta=1e-5,
        )
    )


def test_a_rounds_attestation_and_consent_head_are_written_once_before_it_leaves(
    log: StoreLog, ledger: Ledger, store: StoreHome
) -> None:
    basis = ConsentBasis(position=7, root=b"r" * 32, changes=2, time=ConsentTime(now=1))
    _keep_attested(store, AttestedName(programme_id="ab" * 8, kind=AttestedKind.TRAINING), basis)
    answer = log.answering(lambda _: _contributed(0), ledger)
    assert answer(b"request") == answer(b"request")
    entries = [LogEntry.from_document(line).draft for line in log.book.entries(1, 9)]
    assert [entry.kind.value for entry in entries] == ["consent_root", "attestation", "erasure", "round"]
    assert entries[0].body == {"position": 7, "root": (b"r" * 32).hex(), "changes": 2}
    assert entries[1].body["attestation_sha256"] == (b"a" * 32).hex()


@pytest.mark.parametrize("step", [Step.BLINDED_LIST, Step.TABLE])
def test_a_matchings_list_and_table_are_in_the_log_with_what_was_attested_once(
    log: StoreLog, ledger: Ledger, store: StoreHome, step: Step
) -> None:
    basis = ConsentBasis(position=7, root=b"r" * 32, changes=2, time=ConsentTime(now=1))
    given = RoundAnswer(
        body=b"sealed", step=step, programme_id="cd" * 8, phase="matching", attestation_sha256=b"a" * 32
    )
    assert given.attested is not None
    answer = log.answering(lambda _: given, ledger)
    with pytest.raises(AttestationRecordError):  # what opens it is kept before it leaves
        answer(b"request")
    _keep_attested(store, given.attested, basis)
    assert answer(b"request") == answer(b"request")
    entries = [LogEntry.from_document(line).draft for line in log.book.entries(1, 9)]
    assert [entry.kind.value for entry in entries] == ["consent_root", "attestation", "erasure", "round"]
    assert entries[1].body == {
        "programme_id": "cd" * 8,
        "round": 0,
        "attestation_sha256": (b"a" * 32).hex(),
    }


def test_without_what_opens_its_attestation_a_contribution_does_not_leave(
    log: StoreLog, ledger: Ledger
) -> None:
    with pytest.raises(AttestationRecordError):
        log.answering(lambda _: _contributed(1), ledger)(b"request")


def test_refused_rounds_write_the_consent_head_too_once_a_day(
    log: StoreLog, ledger: Ledger, store: StoreHome
) -> None:
    log.clock = lambda: 1_800_000_000  # no midnight in between
    for number in (2, 2, 3, 4):
        log.answering(lambda _, n=number: _contributed(n, refusal=REFUSAL_BUDGET), ledger)(b"request")
    kinds = [kind for kind, _ in steps_in(log)]
    assert kinds.count("consent_root") == 1
    assert "attestation" not in kinds
