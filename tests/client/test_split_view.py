"""A coordinator that shows stores different logs is noticed by who is shown both, and not dealt with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from witnesses import cosign, others

from highstreet.audit.checkpoints import Checkpoint, store_origin
from highstreet.audit.errors import SignedNoteError, WitnessConflictError
from highstreet.audit.log_entries import EntryKind, LogEntry
from highstreet.audit.merkle import leaf_hash
from highstreet.audit.signed_notes import SignedNote, cosign_text
from highstreet.cli import main
from highstreet.client.contradiction import contradictions
from highstreet.client.departure import leave_coop
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger
from highstreet.client.log_exchange import LogExchange
from highstreet.client.membership import load_membership, member_caller
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.store_log import StoreLog
from highstreet.protos import coop_pb2
from highstreet.server import member_service

Forge = Callable[[int], SignedNote]


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: Any) -> StoreHome:
    home = StoreHome(tmp_path / "store").ensure()
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


@pytest.fixture
def log(store: StoreHome) -> StoreLog:
    return StoreLog(store)


@pytest.fixture
def exchange(store: StoreHome, log: StoreLog) -> Iterator[LogExchange]:
    with member_caller(store) as caller:
        yield LogExchange(store, log, caller)


@pytest.fixture
def forge(coop: Any, tmp_path: Path) -> Forge:
    """Checkpoints of another history, signed by the log's own key, cosigned by a member that was shown it."""

    home = others(coop, tmp_path, 1)[0]

    def forged(size: int) -> SignedNote:
        root = leaf_hash(b"another history of %d" % size)
        note = Checkpoint(origin=coop.log.key.name, size=size, root=root).sign(coop.home.coordinator_key())
        return _cosigned(note.note(), home)

    return forged


def _cosigned(note: SignedNote, home: StoreHome) -> SignedNote:
    membership, key = load_membership(home), load_identity(home).signing
    name = store_origin(membership.coop_id, membership.member_id)
    line = cosign_text(note.text, name=name, private_key=key, at=1_800_000_000)
    return replace(note, signatures=(*note.signatures, line))


def _grow(coop: Any, count: int = 1) -> None:
    for number in range(count):
        key = f"grown/{coop.log.book.size}/{number}"
        coop.log.book.append(EntryKind.CONSENT_ROOT, key, {"position": 1, "root": "00" * 32})


def _conflicts(log: StoreLog) -> int:
    entries = [LogEntry.from_document(line) for line in log.book.entries(0, 1000)]
    return sum(entry.draft.body.get("step") == "conflict" for entry in entries)


@pytest.mark.parametrize("of_what_it_saw", [-3, -1, 0, 1, 4])
def test_what_others_cosigned_is_of_the_log_that_is_shown_here_at_whatever_size(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, forge: Forge, of_what_it_saw: int
) -> None:
    _grow(coop, 4)
    for _ in range(2):
        exchange.exchange()
    seen = log.witness.latest(coop.log.key)
    assert seen is not None
    _grow(coop, 2)  # what is shown now is larger; 4 more than was seen is larger than that
    coop.log.cosigned = lambda: [forge(seen.size + of_what_it_saw)]
    with pytest.raises(WitnessConflictError, match="other members with other entries"):
        exchange.exchange()
    assert _conflicts(log) == 1
    assert any(path.read_bytes() == coop.log.cosigned()[0].to_bytes() for path in contradictions(store))
    assert log.witness.latest(coop.log.key) == seen


@pytest.mark.parametrize("size", [1, 3, 5])
def test_what_others_cosigned_of_the_one_log_is_taken_at_whatever_size(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, tmp_path: Path, size: int
) -> None:
    """The twin of the test before: nothing is refused because its size is another."""
    home = others(coop, tmp_path, 1)[0]
    _grow(coop, 4)
    root = coop.log.book.root(size)
    true = Checkpoint(origin=coop.log.key.name, size=size, root=root).sign(coop.home.coordinator_key()).note()
    coop.log.cosigned = lambda: [_cosigned(true, home)]
    for _ in range(3):
        exchange.exchange()
        _grow(coop)
    assert contradictions(store) == []
    assert _conflicts(log) == 0


def test_a_store_that_has_seen_nothing_yet_does_not_begin_with_one_of_two_logs(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, forge: Forge
) -> None:
    coop.log.cosigned = lambda: [forge(2)]
    with pytest.raises(WitnessConflictError):
        exchange.exchange()
    assert log.witness.latest(coop.log.key) is None
    assert len(contradictions(store)) == 2  # both are the coordinator's word


def test_one_store_is_shown_another_log_and_hears_of_the_others(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, tmp_path: Path
) -> None:
    """For real: two members cosign one log; the coordinator forks it for a third and shows who cosigned."""
    cosign(*others(coop, tmp_path))
    served = coop.log.cosigned()
    assert len(served) >= 1
    mine = leaf_hash(b"for one store alone")
    size = coop.log.book.size
    fork = Checkpoint(origin=coop.log.key.name, size=size, root=mine).sign(coop.home.coordinator_key())
    coop.log.book.note = lambda: fork.note()
    with pytest.raises(WitnessConflictError):
        exchange.exchange()
    assert _conflicts(log) == 1


def _contradict(coop: Any, exchange: LogExchange, forge: Forge) -> None:
    exchange.exchange()
    coop.log.cosigned = lambda: [forge(1)]
    with pytest.raises(WitnessConflictError):
        exchange.exchange()


def test_a_contradiction_is_written_down_once_and_the_coordinator_called_no_more(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, forge: Forge
) -> None:
    _contradict(coop, exchange, forge)
    size, evidence = log.book.size, contradictions(store)
    coop.log.cosigned = list  # now it behaves
    for _ in range(20):
        with pytest.raises(WitnessConflictError, match="until you looked"):
            exchange.exchange()
    with member_caller(store) as caller, pytest.raises(WitnessConflictError):
        caller.call(lambda stub, timeout: stub.GetRoster(coop_pb2.RosterRequest(), timeout=timeout))
    assert (log.book.size, contradictions(store)) == (size, evidence)
    assert _conflicts(log) == 1


def test_after_a_contradiction_no_round_is_computed(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, forge: Forge
) -> None:
    asked: list[bytes] = []

    def answer(message: bytes) -> RoundAnswer:
        asked.append(message)
        return RoundAnswer(body=b"sealed", step=Step.AGREEMENT, programme_id="ab", round=0, phase="p")

    with closing(Ledger.open(store.ledger)) as ledger:
        answering = log.answering(answer, ledger)
        answering(b"before")
        _contradict(coop, exchange, forge)
        with pytest.raises(WitnessConflictError):
            answering(b"after")
    assert asked == [b"before"]


def test_the_owner_looks_and_goes_on_and_everything_is_kept(
    coop: Any,
    store: StoreHome,
    log: StoreLog,
    exchange: LogExchange,
    forge: Forge,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask = ["store", "contradiction", "--home", str(store.root)]
    assert main(ask) == 0
    assert "Nothing contradicts" in capsys.readouterr().out
    _contradict(coop, exchange, forge)
    kept = {path.name: path.read_bytes() for path in store.witness.iterdir() if path.suffix != ".lock"}
    assert main(ask) == 0
    assert "1 entries with the root" in capsys.readouterr().out
    assert contradictions(store) != []  # looking alone changes nothing
    assert main([*ask, "--go-on"]) == 0
    assert contradictions(store) == []
    aside = {path.name: path.read_bytes() for path in (store.witness / "looked-at" / "0001").iterdir()}
    assert aside == kept
    coop.log.cosigned = list
    exchange.exchange()
    steps = [LogEntry.from_document(line).draft.body.get("step") for line in log.book.entries(0, 99)]
    assert steps[-1] == "began_anew"
    assert log.witness.latest(coop.log.key) is not None


def test_a_coordinator_that_goes_on_contradicting_itself_is_stopped_again_without_filling_the_log(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, forge: Forge
) -> None:
    _contradict(coop, exchange, forge)
    for round_ in range(5):
        main(["store", "contradiction", "--go-on", "--home", str(store.root)])
        coop.log.cosigned = lambda round_=round_: [forge(1 + round_ % 2)]
        with pytest.raises(WitnessConflictError):
            exchange.exchange()
        assert contradictions(store)
    assert _conflicts(log) == 1


def test_a_store_can_leave_a_coordinator_that_contradicts_itself(
    coop: Any, store: StoreHome, exchange: LogExchange, forge: Forge
) -> None:
    _contradict(coop, exchange, forge)
    papers = leave_coop(store).papers
    assert list((papers / "coop" / "witness").glob("conflict-*.note"))


def test_a_coordinator_that_says_it_forgot_makes_no_more_than_an_entry_a_day(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange
) -> None:
    """The store's log would grow with every exchange: each entry is a reason for the next."""
    exchange.exchange()
    size = log.book.size
    for number in range(20):
        for path in coop.home.witness.glob("*.jsonl"):
            path.unlink()
        log.note_consent_root(position=1, root=bytes(32), changes=0, occasion=f"round/ab/{number}")
        exchange.exchange()
    assert log.book.size == size + 20 + 1


@pytest.mark.parametrize("junk", [b"", b"junk", b"\xff" * 70_000])
def test_cosigned_checkpoints_that_are_none_are_refused(
    coop: Any, exchange: LogExchange, monkeypatch: pytest.MonkeyPatch, junk: bytes
) -> None:
    true = member_service.newest_checkpoint

    def told(log: Any) -> coop_pb2.CheckpointReply:
        return coop_pb2.CheckpointReply(checkpoint=true(log).checkpoint, cosigned=[junk])

    monkeypatch.setattr(member_service, "newest_checkpoint", told)
    with pytest.raises(SignedNoteError):
        exchange.exchange()


def test_more_cosigned_checkpoints_than_there_can_be_members_are_refused(
    coop: Any, exchange: LogExchange, forge: Forge
) -> None:
    note = forge(1)
    coop.log.cosigned = lambda: [note] * 257
    with pytest.raises(SignedNoteError, match="256"):
        exchange.exchange()
