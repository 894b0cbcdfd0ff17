"""Every round binds the erasures before it in the store's log, and whether there were any shows nowhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from witnesses import cosign

from highstreet.audit.attestation import AttestedKind, ConsentBasis
from highstreet.audit.canonical import canonical_json
from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key, store_origin, witness_key
from highstreet.audit.commitments import commit
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.log_entries import EntryKind, LogEntry
from highstreet.audit.merkle import verify_inclusion
from highstreet.audit.signed_notes import SignedNote, verify_cosignature
from highstreet.cli import main
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.attested_use import commit_to_round
from highstreet.client.erasure import erase_customers
from highstreet.client.erasure_openings import ErasureOpenings, certificate_sha256
from highstreet.client.errors import ErasureOpeningsError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.importing.importer import Importer
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger
from highstreet.client.membership import load_membership
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.store_log import StoreLog
from highstreet.client.vault import Vault
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET
from tests.client.conftest import NOW


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: Any, shop_files: Path) -> StoreHome:
    home = StoreHome(tmp_path / "store").ensure()
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    with Vault.open(home.vault) as vault:
        list(Importer(vault, now=NOW).run([shop_files]))
    return home


@pytest.fixture
def hold_round(store: StoreHome) -> Iterator[Callable[..., LogEntry | None]]:
    """Let a round's contribution leave, and return the log's entry about erasures, if there is a new one."""
    log = StoreLog(store)

    def hold(number: int, *, refusal: int | None = None) -> LogEntry | None:
        if refusal is None:
            _keep_attested(store, number)
        given = RoundAnswer(
            body=b"sealed %d" % number,
            step=Step.CONTRIBUTION,
            programme_id="ab" * 8,
            round=number,
            phase="popularity",
            refusal=refusal,  # type: ignore[arg-type]  # a code of the closed list
            attestation_sha256=None if refusal else b"a" * 32,
        )
        before = log.book.size
        log.answering(lambda _: given, ledger)(b"request")
        entries = [LogEntry.from_document(line) for line in log.book.entries(before, 99)]
        found = [entry for entry in entries if entry.draft.kind == "erasure"]
        return found[0] if found else None

    with closing(Ledger.open(store.ledger)) as ledger:
        yield hold


def _keep_attested(store: StoreHome, number: int) -> None:
    AttestationBook(store).keep(
        commit_to_round(
            {},
            {},
            name=AttestedName(programme_id="ab" * 8, kind=AttestedKind.TRAINING, round=number),
            basis=ConsentBasis(position=7, root=b"r" * 32, changes=2, time=ConsentTime(now=1)),
            request_sha256=bytes(32),
            policy={},
            epsilon=0.5,
            delta=1e-5,
        )
    )


def _erased(store: StoreHome, customer: str) -> Path:
    return erase_customers(store, [customer], source="test", now=NOW).file


def test_a_round_writes_one_entry_of_one_form_whether_or_not_somebody_was_erased(
    store: StoreHome, hold_round: Callable[..., LogEntry]
) -> None:
    entries = [hold_round(0)]
    _erased(store, "ann")
    _erased(store, "ben")
    entries += [hold_round(1), hold_round(2)]
    assert {len(entry.document()) for entry in entries} == {len(entries[0].document())}
    assert [entry.draft.key for entry in entries] == [f"erasure/round/{'ab' * 8}/{n}" for n in range(3)]
    assert len({entry.draft.body["commitment"] for entry in entries}) == 3  # salted, of nobody too
    assert all(set(entry.draft.body) == {"commitment"} for entry in entries)


def test_an_erasure_makes_the_log_no_longer(store: StoreHome, hold_round: Callable[..., LogEntry]) -> None:
    hold_round(0)
    size = StoreLog(store).book.size
    _erased(store, "ann")
    assert StoreLog(store).book.size == size


def test_a_round_asked_for_again_or_refused_writes_none(
    store: StoreHome, hold_round: Callable[..., LogEntry]
) -> None:
    assert hold_round(0) is not None
    assert hold_round(0) is None
    assert hold_round(1, refusal=REFUSAL_BUDGET) is None


def test_what_is_kept_opens_the_entry_and_holds_each_certificate_once(
    store: StoreHome, hold_round: Callable[..., LogEntry]
) -> None:
    certificates = [certificate_sha256(_erased(store, name).read_bytes()) for name in ("ann", "ben")]
    first = hold_round(0)
    third = certificate_sha256(_erased(store, "cat").read_bytes())
    second = hold_round(1)
    openings = ErasureOpenings(store).all()
    assert [opening.certificates for opening in openings] == [tuple(sorted(certificates)), (third,)]
    for entry, opening in zip((first, second), openings, strict=True):
        assert entry.draft.body["commitment"] == opening.commitment().hex()


def test_the_owner_gets_what_shows_that_an_erasure_was_logged(
    store: StoreHome, hold_round: Callable[..., LogEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    file = _erased(store, "ann")
    ask = ["store", "rights", "logged", str(file), "--home", str(store.root)]
    assert main(ask) != 0
    assert "The next round" in capsys.readouterr().err
    hold_round(4)
    assert main(ask) == 0
    assert "proof" not in json.loads(capsys.readouterr().out)  # nobody cosigned it yet
    cosign(store)
    hold_round(5)
    assert main(ask) == 0
    shown = json.loads(capsys.readouterr().out)
    # As docs/log.md says it, without the store's code.
    assert hashlib.sha256(file.read_bytes()).hexdigest() in shown["certificates"]
    value = canonical_json({"certificates": shown["certificates"]})
    made = commit(bytes.fromhex(shown["salt"]), value, domain="highstreet/erasures/v1").hex()
    entry = LogEntry.from_document(shown["entry"].encode())
    assert (entry.draft.kind, entry.draft.body) == (EntryKind.ERASURE, {"commitment": made})
    membership = load_membership(store)
    origin = store_origin(membership.coop_id, membership.member_id)
    note = SignedNote.from_bytes(shown["checkpoint"].encode())
    checkpoint = Checkpoint.from_note(note, log_key(origin, load_identity(store).signing_public_key))
    coordinator = witness_key(coordinator_origin(membership.coop_id), membership.coordinator_key)
    assert verify_cosignature(note, coordinator) > 0
    verify_inclusion(
        entry.leaf(),
        index=shown["index"],
        size=checkpoint.size,
        proof=[bytes.fromhex(each) for each in shown["proof"]],
        root=checkpoint.root,
    )


def test_a_crash_before_the_log_was_written_leaves_one_opening_and_one_entry(
    store: StoreHome, hold_round: Callable[..., LogEntry]
) -> None:
    made = ErasureOpenings(store).for_occasion(f"round/{'ab' * 8}/0")
    with store.erasure_openings.open("ab") as file:
        file.write(b'{"certificates":[],"occ')  # the next one was being written
    entry = hold_round(0)
    assert entry.draft.body["commitment"] == made.commitment().hex()
    assert ErasureOpenings(store).all() == [made]


@pytest.mark.parametrize("damage", [b"junk\n", b"{}\n", b'{"certificates":[],"occasion":"x","salt":"zz"}\n'])
def test_damaged_openings_let_nothing_leave(
    store: StoreHome, hold_round: Callable[..., LogEntry], damage: bytes
) -> None:
    store.erasure_openings.write_bytes(damage)
    with pytest.raises(ErasureOpeningsError):
        hold_round(0)
