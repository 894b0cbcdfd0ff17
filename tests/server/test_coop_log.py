"""The coordinator's log follows coop.db once for each event, and nothing is said or sent before it did."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key, store_origin
from highstreet.audit.errors import SignedNoteError, WitnessConflictError
from highstreet.audit.log_download import LogAddress, download_log, read_log_folder
from highstreet.audit.log_entries import LogEntry
from highstreet.audit.matchings import TABLE_PHASE
from highstreet.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.verifier import verify_log
from highstreet.client.errors import CoopRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.membership import load_membership, member_caller
from highstreet.protos import coop_pb2, coop_pb2_grpc
from highstreet.server.checkpoint_entries import Outcome
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.coop_log import CoopLog, KnownSizeError
from highstreet.server.database import connect
from highstreet.server.exchange import Carried
from highstreet.server.home import CoopHome
from highstreet.server.logged_carrier import LoggedCarrier
from highstreet.server.membership import leave, members_ever

PROGRAMME = "0123456789abcdef"
_PHASE = SimpleNamespace(index=0, name="popularity")


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: Any) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


@pytest.fixture
def connection(coop: Any) -> Iterator[sqlite3.Connection]:
    with closing(connect(coop.home.database)) as opened:
        yield opened


def _entries(home: CoopHome) -> list[LogEntry]:
    lines = (home.log / "entries.jsonl").read_bytes().splitlines()
    return [LogEntry.from_document(line) for line in lines]


def _keys(home: CoopHome) -> list[str]:
    """Keys, without the times that some end with."""
    return [re.sub(r"/[0-9]+$", "", entry.draft.key) for entry in _entries(home)]


def _a_round(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256, as_of_day)"
        " VALUES (?, 1, 0, 'running', ?, 20000)",
        (PROGRAMME, bytes(32)),
    )
    book = Checkpoints(connection)
    opened = book.open_round(PROGRAMME, _PHASE, lambda at: (b"request", b""))
    book.announce(opened, [], set_sha256=hashlib.sha256(b"set").digest())


def test_a_join_is_in_the_log_before_the_store_is_told(coop: Any, store: StoreHome) -> None:
    member_id = load_membership(store).member_id
    assert _keys(coop.home) == ["opening", f"member/{member_id}/joined"]
    identity = load_identity(store)
    keys = identity.signing_public_key + identity.encryption_public_key
    assert _entries(coop.home)[1].draft.body["keys_sha256"] == hashlib.sha256(keys).hexdigest()


def test_rounds_and_departures_are_written_once_each(
    coop: Any, store: StoreHome, connection: sqlite3.Connection
) -> None:
    member_id = load_membership(store).member_id
    _a_round(connection)
    for log in (coop.log, CoopLog(coop.home), coop.log):
        log.follow()
    Checkpoints(connection).mark_failed(PROGRAMME, "Nobody came, said Jane.")
    leave(connection, member_id, now=5)
    for log in (CoopLog(coop.home), coop.log):
        log.follow()
    assert _keys(coop.home)[2:] == [
        f"run/{PROGRAMME}/begun",
        f"round/{PROGRAMME}/0/opened",
        f"round/{PROGRAMME}/0/announced",
        f"run/{PROGRAMME}/ended",
        f"member/{member_id}/left",
    ]
    opened = _entries(coop.home)[3].draft.body
    assert opened["document_sha256"] == hashlib.sha256(b"request").hexdigest()
    assert b"Jane" not in (coop.home.log / "entries.jsonl").read_bytes()


def test_a_crash_between_the_database_and_the_log_leaves_one_entry(
    coop: Any, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is committed, the log is not written; the next process makes good for it, once."""
    _a_round(connection)
    with monkeypatch.context() as patched:
        patched.setattr(coop.log.book, "append_all", _fail)
        with pytest.raises(KeyboardInterrupt):
            coop.log.follow()
    assert len(_keys(coop.home)) == 1
    CoopLog(coop.home).follow()
    CoopLog(coop.home).follow()
    assert len(_keys(coop.home)) == 4 == len(set(_keys(coop.home)))


def test_a_matching_is_in_the_log_from_its_request_to_its_end(
    coop: Any, connection: sqlite3.Connection
) -> None:
    connection.execute(
        "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256, kind)"
        " VALUES (?, 1, 0, 'running', ?, 'matching')",
        (PROGRAMME, bytes(32)),
    )
    connection.execute("INSERT INTO matchings VALUES (?, x'0102', 5, NULL, 0)", (PROGRAMME,))
    book = Checkpoints(connection)
    phase = SimpleNamespace(index=0, name=TABLE_PHASE)
    opened = book.open_round(PROGRAMME, phase, lambda at: (b"table", b""))
    book.close_table(opened, Outcome(contributors=4, answers=4, wrong=0, is_checked=True))
    book.mark_finished(PROGRAMME)
    coop.log.follow()
    story = [entry.draft.body for entry in _entries(coop.home)[1:]]
    assert [(body["run"], body["phase"], body["step"]) for body in story] == [
        ("matching", "", "begun"),
        ("matching", "", "opened"),
        ("matching", TABLE_PHASE, "opened"),
        ("matching", TABLE_PHASE, "closed"),
        ("matching", "", "finished"),
    ]
    assert (story[3]["contributors"], story[3]["state_sha256"]) == (4, None)


def test_another_round_under_the_same_name_after_a_restored_database_is_logged_too(
    coop: Any, connection: sqlite3.Connection
) -> None:
    _a_round(connection)
    coop.log.follow()
    connection.execute("UPDATE rounds SET opened_at = opened_at - 7, request = x'00'")
    CoopLog(coop.home).follow()
    requests = [
        entry.draft.body["document_sha256"]
        for entry in _entries(coop.home)
        if entry.draft.body.get("step") == "opened"
    ]
    assert requests == [hashlib.sha256(data).hexdigest() for data in (b"request", b"\x00")]


def _fail(*_: object) -> None:
    raise KeyboardInterrupt


class _Carrier:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def online(self) -> Collection[int]:
        return [1]

    def send(self, bodies: Sequence[tuple[int, bytes]], *, seconds: float) -> Sequence[str | None]:
        self.sent += [body for _, body in bodies]
        return ["ticket"] * len(bodies)

    def collect(self, tickets: Collection[str]) -> Sequence[Carried]:
        return []


def test_a_request_is_sent_only_when_its_round_is_in_the_log(
    coop: Any, connection: sqlite3.Connection
) -> None:
    _a_round(connection)
    carrier = _Carrier()
    seen: list[list[str]] = []

    def follow() -> None:
        coop.log.follow()
        seen.append(_keys(coop.home))

    assert LoggedCarrier(carrier, follow).send([(1, b"request")], seconds=1) == ["ticket"]
    assert f"round/{PROGRAMME}/0/opened" in seen[0]
    assert carrier.sent == [b"request"]


def _spoil(home: CoopHome) -> None:
    path = home.log / "entries.jsonl"
    path.write_bytes(path.read_bytes()[:-20])


def test_nothing_is_sent_to_nodes_when_the_log_cannot_be_written(
    coop: Any, connection: sqlite3.Connection
) -> None:
    _a_round(connection)
    _spoil(coop.home)
    carrier = _Carrier()
    assert LoggedCarrier(carrier, coop.log.follow).send([(1, b"a"), (2, b"b")], seconds=1) == [None, None]
    assert carrier.sent == []


def test_nothing_is_said_to_members_when_the_log_cannot_be_written(
    coop: Any, store: StoreHome, connection: sqlite3.Connection
) -> None:
    _a_round(connection)
    _spoil(coop.home)
    with member_caller(store) as caller, pytest.raises(CoopRefusedError, match="cannot do it at the moment"):
        caller.call(lambda stub, timeout: stub.GetRoster(coop_pb2.RosterRequest(), timeout=timeout))


def test_a_coordinator_with_a_damaged_log_does_not_start(coop: Any) -> None:
    _spoil(coop.home)
    with pytest.raises(Exception, match="signed") as caught:
        CoopLog(coop.home)
    assert "audit verify" in caught.value.for_user()  # type: ignore[attr-defined]


def test_entries_and_proofs_are_served_and_hold(
    coop: Any, store: StoreHome, connection: sqlite3.Connection
) -> None:
    _a_round(connection)
    key = log_key(coordinator_origin(coop.home.charter().coop.id), load_membership(store).coordinator_key)
    with member_caller(store) as caller:
        asked = coop_pb2.CheckpointRequest()
        reply = caller.call(lambda stub, timeout: stub.GetCheckpoint(asked, timeout=timeout))
        checkpoint = Checkpoint.from_note(SignedNote.from_bytes(reply.checkpoint), key)
        wanted = coop_pb2.EntriesRequest(first=0, count=100)
        entries = caller.call(lambda stub, timeout: stub.GetEntries(wanted, timeout=timeout)).entries
        assert len(entries) == checkpoint.size == 5
        for index, entry in enumerate(entries):
            inclusion = coop_pb2.InclusionProofRequest(index=index, size=checkpoint.size)
            proof = caller.call(
                lambda stub, timeout, request=inclusion: stub.GetInclusionProof(request, timeout=timeout)
            )
            verify_inclusion(
                leaf_hash(entry), index=index, size=5, proof=tuple(proof.hashes), root=checkpoint.root
            )
        growth = coop_pb2.ConsistencyProofRequest(first=2, second=5)
        grown = caller.call(lambda stub, timeout: stub.GetConsistencyProof(growth, timeout=timeout))
        verify_consistency(
            first=2,
            first_root=coop.log.book.root(2),
            second=5,
            second_root=checkpoint.root,
            proof=tuple(grown.hashes),
        )


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("GetInclusionProof", coop_pb2.InclusionProofRequest(index=9, size=99)),
        ("GetInclusionProof", coop_pb2.InclusionProofRequest(index=2**63, size=2**63)),
        ("GetConsistencyProof", coop_pb2.ConsistencyProofRequest(first=2, second=1)),
        ("PutCosignature", coop_pb2.PutCosignatureRequest(checkpoint=b"junk")),
        ("CosignCheckpoint", coop_pb2.CosignCheckpointRequest(checkpoint=b"\xff" * 70_000)),
    ],
)
def test_what_the_log_never_had_is_refused(coop: Any, store: StoreHome, name: str, request_: Any) -> None:
    with member_caller(store) as caller, pytest.raises(CoopRefusedError):
        caller.call(lambda stub, timeout: getattr(stub, name)(request_, timeout=timeout))


def test_entries_beyond_the_end_are_none(coop: Any, store: StoreHome) -> None:
    wanted = coop_pb2.EntriesRequest(first=2**64 - 1, count=2**64 - 1)
    with member_caller(store) as caller:
        reply = caller.call(lambda stub, timeout: stub.GetEntries(wanted, timeout=timeout))
    assert list(reply.entries) == []


def test_an_auditor_downloads_the_log_and_verifies_it(coop: Any, store: StoreHome) -> None:
    source = LogAddress.from_url(
        f"coop://{load_membership(store).member_address}",
        authority=(store.coop / "ca.pem").read_bytes(),
        private_key=load_identity(store).tls_key_pem,
        certificate=(store.coop / "client.pem").read_bytes(),
    )
    verdict = verify_log(download_log(source), keys=[coop.log.key])
    assert verdict.findings == ()
    assert verdict.size == 2
    assert verify_log(read_log_folder(coop.home.log), keys=[coop.log.key]).holds


def _stores_log(coop: Any, store: StoreHome, size: int, root: bytes) -> Any:
    membership = load_membership(store)
    origin = store_origin(membership.coop_id, membership.member_id)
    return Checkpoint(origin=origin, size=size, root=root).sign(load_identity(store).signing).note()


def test_the_coordinator_witnesses_a_store_and_never_its_smaller_tree(coop: Any, store: StoreHome) -> None:
    with closing(connect(coop.home.database)) as opened:
        (member,) = members_ever(opened)
    leaf = leaf_hash(b"entry")
    coop.log.cosign(member, _stores_log(coop, store, 4, leaf), known_size=0, proof=())
    with pytest.raises(KnownSizeError) as caught:
        coop.log.cosign(member, _stores_log(coop, store, 4, leaf), known_size=0, proof=())
    assert caught.value.size == 4
    for size, root in ((3, leaf), (4, leaf_hash(b"other")), (9, leaf)):
        with pytest.raises(WitnessConflictError):
            coop.log.cosign(member, _stores_log(coop, store, size, root), known_size=4, proof=())
    steps = [entry.draft.body["step"] for entry in _entries(coop.home) if entry.draft.kind == "witness"]
    assert steps == ["began", "conflict"]
    assert len(list(coop.home.witness.glob("conflict-*.note"))) == 1


def test_a_coordinator_that_lost_its_record_begins_anew_and_says_so(coop: Any, store: StoreHome) -> None:
    with closing(connect(coop.home.database)) as opened:
        (member,) = members_ever(opened)
    note = _stores_log(coop, store, 4, leaf_hash(b"entry"))
    coop.log.cosign(member, note, known_size=0, proof=())
    for path in coop.home.witness.glob("*.jsonl"):
        path.unlink()
    coop.log.cosign(member, note, known_size=0, proof=())
    steps = [entry.draft.body["step"] for entry in _entries(coop.home) if entry.draft.kind == "witness"]
    assert steps == ["began", "began_anew"]


def test_the_checkpoint_of_another_members_log_is_not_cosigned(coop: Any, store: StoreHome) -> None:
    with closing(connect(coop.home.database)) as opened:
        (member,) = members_ever(opened)
    note = _stores_log(coop, store, 4, leaf_hash(b"entry"))
    forged = Checkpoint.from_text(note.text).sign(Ed25519PrivateKey.generate()).note()
    with pytest.raises(SignedNoteError):
        coop.log.cosign(member, forged, known_size=0, proof=())


def test_a_strangers_call_is_refused_as_before(coop: Any) -> None:
    credentials = grpc.ssl_channel_credentials(coop.home.ca_certificate.read_bytes())
    with grpc.secure_channel(coop.home.config().member_address, credentials) as channel:
        stub = coop_pb2_grpc.CoopStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError):
            stub.GetCheckpoint(coop_pb2.CheckpointRequest(), timeout=5)


def test_the_log_is_signed_by_the_coordinators_own_key(coop: Any) -> None:
    assert coop.log.key.public_key == public_key_bytes(coop.home.coordinator_key())
    first = json.loads((coop.home.log / "entries.jsonl").read_bytes().splitlines()[0])
    assert first["body"]["role"] == "coordinator"
