"""A store and its coordinator witness each other over the real service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.checkpoints import Checkpoint, witness_key
from highstreet.audit.errors import LogRewoundError, WitnessConflictError
from highstreet.audit.evidence import read_notes
from highstreet.audit.log_download import read_log_folder
from highstreet.audit.log_entries import EntryKind
from highstreet.audit.merkle import MerkleTree, leaf_hash
from highstreet.audit.verifier import verify_log
from highstreet.audit.witness_file import read_witness_file
from highstreet.client.errors import CoopRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger
from highstreet.client.log_exchange import LogExchange
from highstreet.client.log_status import log_in_words
from highstreet.client.log_watch import watching_log
from highstreet.client.membership import load_membership, member_caller
from highstreet.client.store_log import StoreLog
from highstreet.client.store_status import store_status
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
def exchange(store: StoreHome, log: StoreLog) -> Iterator[LogExchange]:
    with member_caller(store) as caller:
        yield LogExchange(store, log, caller)


@pytest.fixture
def ledger(store: StoreHome) -> Iterator[Ledger]:
    with closing(Ledger.open(store.ledger)) as opened:
        yield opened


def test_each_cosigns_the_others_log(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange
) -> None:
    exchange.exchange()
    theirs = coop.log.cosigned()[-1]
    verdict = verify_log(read_log_folder(coop.home.log), keys=[coop.log.key, log.witness.key])
    assert verdict.holds
    assert verdict.cosigned == {log.witness.key.name: Checkpoint.from_text(theirs.text).size}
    as_witness = witness_key(coop.log.book.origin, coop.log.key.public_key)
    own = verify_log(read_log_folder(store.log), keys=[as_witness])
    assert own.holds
    assert own.cosigned == {as_witness.name: log.book.size}


def test_logs_that_grew_are_cosigned_again_and_logs_that_did_not_are_left(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, ledger: Ledger
) -> None:
    for _ in range(4):
        exchange.exchange()
    sizes = (log.book.size, coop.log.book.size)
    exchange.exchange()
    assert (log.book.size, coop.log.book.size) == sizes
    spend_once(ledger)
    log.settle(ledger)
    coop.log.book.append(
        EntryKind.CONSENT_ROOT, "x", {"position": 1, "root": "00" * 32}
    )  # anything that makes it grow
    exchange.exchange()
    kept = read_witness_file(log.witness.file_of(coop.log.key).read_bytes())
    assert [Checkpoint.from_text(note.text).size for note in kept][-1] == coop.log.book.size
    assert steps_in(log)[1:] == [("witness", "began"), ("spend", None), ("spend", None)]


def test_several_members_cosign_one_checkpoint(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, tmp_path: Path, limits: Any
) -> None:
    other_home = StoreHome(tmp_path / "other").ensure()
    join_coop(other_home, coop.invite("Mill"), limits, now=datetime.now(UTC))
    other = StoreLog(other_home)
    with member_caller(other_home) as caller:
        for _ in range(3):
            exchange.exchange()
            LogExchange(other_home, other, caller).exchange()
    verdict = verify_log(
        read_log_folder(coop.home.log), keys=[coop.log.key, log.witness.key, other.witness.key]
    )
    assert verdict.holds
    assert set(verdict.cosigned) == {log.witness.key.name, other.witness.key.name}


def _write_anew(coop: Any, *, to_size: int) -> None:
    """The coordinator, who holds the key, throws its log away and writes another."""
    for path in [*coop.home.log.iterdir(), coop.home.log_mark]:
        path.unlink()
    coop.log.__init__(coop.home, clock=lambda: 1_700_000_000)  # its clock set back too
    for number in range(to_size - 1):
        coop.log.book.append(
            EntryKind.CONSENT_ROOT, f"forged/{number}", {"position": number, "root": "00" * 32}
        )
    coop.log._followed = None
    coop.log.follow = lambda: None


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_a_coordinator_that_writes_its_history_anew_is_caught_and_convicted(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, size: int
) -> None:
    for _ in range(2):
        exchange.exchange()
    seen = log.witness.latest(coop.log.key)
    assert seen is not None
    _write_anew(coop, to_size=size)
    with pytest.raises((WitnessConflictError, CoopRefusedError)) as caught:
        exchange.exchange()
    assert "witness" in caught.value.for_user() or "checkpoints" in caught.value.for_user()
    assert ("witness", "conflict") in steps_in(log)
    kept = read_witness_file(log.witness.file_of(coop.log.key).read_bytes())
    verdict = verify_log(
        read_log_folder(coop.home.log),
        keys=[coop.log.key, log.witness.key],
        witnessed=read_notes([note.to_bytes() for note in kept], where="kept"),
    )
    assert not verdict.holds
    assert verdict.findings[0].first <= 2
    assert log.witness.latest(coop.log.key) == seen


def test_a_store_whose_log_was_put_back_is_not_cosigned(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, ledger: Ledger
) -> None:
    old = {path: path.read_bytes() for path in (store.log / "entries.jsonl", store.log / "heads")}
    mark = store.log_mark.read_bytes()
    spend_once(ledger)
    log.settle(ledger)
    exchange.exchange()
    for path, data in old.items():
        path.write_bytes(data)
    with pytest.raises(LogRewoundError):
        StoreLog(store)
    store.log_mark.write_bytes(mark)  # the mark put back as well: only the witness knows
    again = StoreLog(store)
    with member_caller(store) as caller, pytest.raises(WitnessConflictError, match="The coordinator saw"):
        LogExchange(store, again, caller).exchange()


def test_a_coordinator_that_forgot_what_it_witnessed_is_noticed(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange, ledger: Ledger
) -> None:
    exchange.exchange()
    for path in coop.home.witness.glob("*.jsonl"):
        path.unlink()
    spend_once(ledger)
    log.settle(ledger)
    exchange.exchange()
    assert ("witness", "witness_lost") in steps_in(log)


def test_a_store_that_lost_its_record_begins_anew_and_says_so(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange
) -> None:
    exchange.exchange()
    log.witness.file_of(coop.log.key).unlink()
    exchange.exchange()
    assert ("witness", "began_anew") in steps_in(log)


def test_days_of_programmes_are_written_when_they_are_held_to(log: StoreLog) -> None:
    holds: Callable[[str, int], bool] = log.noting_days(lambda _, day: day == 20_000)
    assert [holds("ab", 20_000), holds("ab", 20_001), holds("ab", 20_000)] == [True, False, True]
    assert steps_in(log) == [("opening", None), ("round", "begun")]


def test_the_owner_is_told_how_the_logs_stand(
    coop: Any, store: StoreHome, log: StoreLog, exchange: LogExchange
) -> None:
    assert "1 entries, 0 of them" in log_in_words(store)
    exchange.exchange()
    before = {path: path.read_bytes() for path in store.coop.rglob("*") if path.is_file()}
    assert log_in_words(store) == (
        "Log: 2 entries, 2 of them cosigned by the coordinator; this shop cosigned 2 of the coordinator's."
    )
    assert {path: path.read_bytes() for path in store.coop.rglob("*") if path.is_file()} == before
    _write_anew(coop, to_size=1)
    with pytest.raises(WitnessConflictError):
        exchange.exchange()
    assert "contradicts" in store_status(store).log


def test_the_watch_exchanges_and_ends(coop: Any, store: StoreHome, log: StoreLog) -> None:
    ending = threading.Event()
    with watching_log(store, log, ending, every_seconds=0.05):
        for _ in range(200):
            if coop.log.cosigned() and (store.log / "checkpoint").is_file():
                break
            ending.wait(0.05)
    assert coop.log.cosigned()
    assert "witness" not in {thread.name for thread in threading.enumerate()}


def test_the_roots_of_the_stores_log_are_those_of_its_entries(log: StoreLog, store: StoreHome) -> None:
    log.note_consent_root(position=3, root=bytes(32), changes=0, occasion="round/ab/0")
    log.note_consent_root(position=3, root=bytes(32), changes=0, occasion="round/ab/0")
    lines = (store.log / "entries.jsonl").read_bytes().splitlines()
    assert MerkleTree(map(leaf_hash, lines)).root() == log.book.root(2)
    assert load_membership(store).member_id in log.book.origin
    assert load_identity(store).signing_public_key == log.book._key.public_key
