"""A release is used when every check passes; one that fails changes nothing, and the one before is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import publish, state_of
from witnesses import fetch_witnessed

from highstreet.audit.limits import StoreLimits
from highstreet.audit.manifest import Manifest
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client import release_fetch as fetch_module
from highstreet.client import releases as releases_module
from highstreet.client import releases_seen as seen_module
from highstreet.client.departure import leave_coop
from highstreet.client.errors import CoopRefusedError, ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.membership import member_caller
from highstreet.client.releases import Release, accept_release, active_release, roll_back
from highstreet.files import DiskFullError
from highstreet.models.state import SharedState
from highstreet.privacy.releases import Neighbouring, Weighting
from highstreet.protos import coop_pb2
from highstreet.server.database import connect
from highstreet.server.releases import Candidate, latest_manifest, publish_release, release_file

LIMIT_BYTES = 1 << 20


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


def _fetch(coop: Any, store: StoreHome, limit_bytes: int = LIMIT_BYTES) -> Release | None:
    return fetch_witnessed(coop, store, max_state_bytes=limit_bytes)


def _published(coop: Any) -> tuple[SignedDocument, bytes]:
    connection = connect(coop.home.database)
    latest = latest_manifest(connection)
    connection.close()
    assert latest is not None
    return latest[1], release_file(coop.home, latest[0]).read_bytes()


def _everything(store: StoreHome) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.releases.rglob("*") if path.is_file()}


def _resigned(coop: Any, manifest: Manifest, **changes: Any) -> SignedDocument:
    changed = replace(manifest, **changes)
    return SignedDocument.create(SignatureKind.RELEASE, changed.to_dict(), coop.home.coordinator_key())


def test_before_the_first_release_there_is_none(coop: Any, store: StoreHome) -> None:
    assert _fetch(coop, store) is None
    assert active_release(store) is None
    with pytest.raises(ReleaseRefusedError, match="no earlier release"):
        roll_back(store)


def test_a_new_release_is_fetched_once_and_used(coop: Any, store: StoreHome) -> None:
    manifest = publish(coop, 1)
    fetched = _fetch(coop, store)
    assert fetched is not None
    assert fetched.manifest == manifest
    assert fetched.state == state_of(coop.home.charter(), 1)
    assert active_release(store) == fetched
    assert _fetch(coop, store) is None


def test_the_manifest_says_what_was_agreed_and_what_it_cost(coop: Any, store: StoreHome) -> None:
    manifest = publish(coop, 1)
    charter = coop.home.charter()
    assert manifest.charter_sha256 == hashlib.sha256(charter.document()).hexdigest()
    assert manifest.schema_sha256 == charter.plan.schema.sha256()
    assert manifest.claims.customer.epsilon <= charter.privacy.epsilon
    assert manifest.claims.person.epsilon > manifest.claims.customer.epsilon
    assert Manifest.from_document(manifest.document()) == manifest


def test_each_manifest_names_the_one_before(coop: Any, store: StoreHome) -> None:
    first, second = publish(coop, 1), publish(coop, 2)
    assert first.previous_sha256 == "0" * 64
    assert second.previous_sha256 == first.sha256()


def test_publishing_a_programme_again_changes_nothing(coop: Any, store: StoreHome) -> None:
    assert publish(coop, 1) == publish(coop, 1)


def test_a_large_release_comes_in_pieces(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from highstreet.server import member_service

    monkeypatch.setattr(member_service, "_CHUNK_BYTES", 7)
    publish(coop, 1)
    fetched = _fetch(coop, store)
    assert fetched is not None
    assert fetched.state == state_of(coop.home.charter(), 1)


def test_the_one_before_is_kept_and_older_ones_are_not(coop: Any, store: StoreHome) -> None:
    for number in (1, 2, 3):
        publish(coop, number)
        _fetch(coop, store)
    assert sorted(path.name for path in store.releases.iterdir() if path.is_dir()) == ["000002", "000003"]
    assert roll_back(store) == 2
    active = active_release(store)
    assert active is not None
    assert active.state == state_of(coop.home.charter(), 2)
    assert _fetch(coop, store) is None  # the one rolled back from does not come back by itself
    with pytest.raises(ReleaseRefusedError):
        roll_back(store)
    publish(coop, 4)
    assert _fetch(coop, store) is not None


def test_a_store_that_was_away_takes_the_newest(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    _fetch(coop, store)
    for number in (2, 3, 4):
        publish(coop, number)
    fetched = _fetch(coop, store)
    assert fetched is not None
    assert fetched.manifest.number == 4


_ODD: dict[str, tuple[dict[str, Any], str]] = {
    "older": ({"number": 1}, "seen release 1 already"),
    "another co-op's": ({"coop_id": "cd" * 16}, "another co-op"),
    "another charter's": ({"charter_sha256": "1" * 64}, "another charter"),
    "another schema's": ({"schema_sha256": "1" * 64}, "another feature schema"),
    "forked": ({"previous_sha256": "1" * 64}, "does not follow"),
    "of too few": ({"participants": 2}, "too few stores"),
    "too large": ({"model_bytes": LIMIT_BYTES + 1}, "larger than this store allows"),
    "another model's": ({"model_sha256": "1" * 64}, "not the one that was signed"),
}


@pytest.mark.parametrize("name", _ODD)
def test_a_release_that_does_not_fit_is_refused_though_it_is_signed(
    coop: Any, store: StoreHome, name: str
) -> None:
    publish(coop, 1)
    _fetch(coop, store)
    second = publish(coop, 2)
    before = _everything(store)
    changes, said = _ODD[name]
    with pytest.raises(ReleaseRefusedError, match=said) as caught:
        accept_release(
            store, _resigned(coop, second, **changes), _published(coop)[1], max_state_bytes=LIMIT_BYTES
        )
    assert "Nothing was changed" in caught.value.what
    assert _everything(store) == before


def test_a_release_that_cost_more_than_agreed_is_refused(coop: Any, store: StoreHome) -> None:
    manifest = publish(coop, 1)
    dear = replace(manifest.claims, customer=replace(manifest.claims.customer, epsilon=9.0))
    with pytest.raises(ReleaseRefusedError, match="more privacy than agreed"):
        accept_release(
            store, _resigned(coop, manifest, claims=dear), _published(coop)[1], max_state_bytes=LIMIT_BYTES
        )


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("customer", {"epsilon": 0.01}),
        ("customer", {"delta": 1e-9}),
        ("customer", {"neighbouring": Neighbouring.REPLACE}),
        ("person", {"epsilon": 0.01}),
        ("person", {"delta": 1e-9}),
        ("person", {"k": 2}),
        ("person", {"weighting": Weighting.ONE_OVER_MOST}),
    ],
)
def test_a_release_that_tells_other_privacy_figures_than_the_charters_is_refused(
    coop: Any, store: StoreHome, claim: str, changes: dict[str, Any]
) -> None:
    manifest = publish(coop, 1)
    told = replace(manifest.claims, **{claim: replace(getattr(manifest.claims, claim), **changes)})
    with pytest.raises(ReleaseRefusedError, match="privacy figures"):
        accept_release(
            store, _resigned(coop, manifest, claims=told), _published(coop)[1], max_state_bytes=LIMIT_BYTES
        )
    assert active_release(store) is None


def test_leaving_and_joining_again_does_not_bring_an_older_release(
    coop: Any, store: StoreHome, limits: StoreLimits
) -> None:
    publish(coop, 1)
    older, model = _published(coop)
    _fetch(coop, store)
    second = publish(coop, 2)
    _fetch(coop, store)
    leave_coop(store)
    join_coop(store, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    with pytest.raises(ReleaseRefusedError, match="seen release 2"):
        accept_release(store, older, model, max_state_bytes=LIMIT_BYTES)
    forged = _resigned(coop, second, rounds=3)
    with pytest.raises(ReleaseRefusedError, match="another release 2"):
        accept_release(store, forged, _published(coop)[1], max_state_bytes=LIMIT_BYTES)
    fetched = _fetch(coop, store)  # the very one it had is the newest still
    assert fetched is not None
    assert fetched.manifest == second
    assert _fetch(coop, store) is None
    third = _resigned(coop, publish(coop, 3), previous_sha256="1" * 64)
    with pytest.raises(ReleaseRefusedError, match="does not follow"):
        accept_release(store, third, _published(coop)[1], max_state_bytes=LIMIT_BYTES)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"x": 1}',
        '{"x": {"number": -1}}',
        '{"x": {"sha256": 1}}',
        '{"x": {"programmes": "ab"}}',
        '{"x": {"programmes": [1]}}',
        '{"x": {"programmes": ["?"]}}',
    ],
)
def test_a_damaged_record_of_what_was_seen_lets_nothing_in(coop: Any, store: StoreHome, content: str) -> None:
    publish(coop, 1)
    store.releases_seen.write_text(content)
    with pytest.raises(ReleaseRefusedError, match="damaged"):
        _fetch(coop, store)
    assert active_release(store) is None


def test_a_training_is_remembered_or_its_release_not_taken(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(coop, 1)
    assert _fetch(coop, store) is not None
    publish(coop, 2)
    with monkeypatch.context() as patched:
        patched.setattr(seen_module, "_MOST_PROGRAMMES", 1)
        with pytest.raises(ReleaseRefusedError, match="can tell no more apart"):
            _fetch(coop, store)
    used = active_release(store)
    assert used is not None
    assert used.manifest.number == 1
    assert _fetch(coop, store) is not None


def test_a_manifest_changed_after_signing_is_refused(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    signed, model = _published(coop)
    document = signed.document.replace(b'"participants":3', b'"participants":4')
    assert document != signed.document
    with pytest.raises(ReleaseRefusedError, match="not by this store's coordinator"):
        accept_release(store, replace(signed, document=document), model, max_state_bytes=LIMIT_BYTES)


def test_a_charters_signature_does_not_pass_for_a_releases(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    charter = coop.home.signed_charter()
    with pytest.raises(ReleaseRefusedError):
        accept_release(store, charter, b"", max_state_bytes=LIMIT_BYTES)


@pytest.mark.parametrize("place", [0, 8, -1])
def test_one_changed_byte_in_the_model_is_refused(coop: Any, store: StoreHome, place: int) -> None:
    publish(coop, 1)
    signed, model = _published(coop)
    changed = bytearray(model)
    changed[place] ^= 1
    with pytest.raises(ReleaseRefusedError, match="not the one that was signed"):
        accept_release(store, signed, bytes(changed), max_state_bytes=LIMIT_BYTES)
    assert active_release(store) is None


def test_a_signed_file_that_is_no_model_is_refused(coop: Any, store: StoreHome) -> None:
    manifest = publish(coop, 1)
    junk = b"not a model"
    signed = _resigned(coop, manifest, model_sha256=hashlib.sha256(junk).hexdigest(), model_bytes=len(junk))
    with pytest.raises(ReleaseRefusedError, match="cannot be read as a model"):
        accept_release(store, signed, junk, max_state_bytes=LIMIT_BYTES)


def test_a_release_larger_than_announced_is_not_read_to_its_end(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    file = release_file(coop.home, 1)
    file.write_bytes(file.read_bytes() + bytes(3 << 20))
    with pytest.raises(ReleaseRefusedError, match="not the one that was signed"):
        _fetch(coop, store)
    taken = 0

    def chunks() -> Any:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield coop_pb2.ReleaseChunk(data=bytes(10))

    assert len(fetch_module._collect(chunks(), limit_bytes=25)) == 30
    assert taken == 3


def test_a_release_missing_at_the_coordinator_is_said(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    release_file(coop.home, 1).unlink()
    with pytest.raises(CoopRefusedError, match="no release of that number"):
        _fetch(coop, store)
    assert active_release(store) is None


@pytest.mark.parametrize("failing_write", range(4))
def test_a_full_disk_keeps_the_one_in_use(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch, failing_write: int
) -> None:
    publish(coop, 1)
    _fetch(coop, store)
    publish(coop, 2)
    write, written = releases_module.write_private, 0

    def fails_once(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if written == failing_write + 1:
            raise DiskFullError("There is no room left.", next_step="Free some space.")
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(releases_module, "write_private", fails_once)
        patched.setattr(seen_module, "write_private", fails_once)
        with pytest.raises(DiskFullError):
            _fetch(coop, store)
    active = active_release(store)
    assert active is not None
    assert active.state == state_of(coop.home.charter(), 1)
    again = _fetch(coop, store)
    assert again is not None
    assert again.state == state_of(coop.home.charter(), 2)


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_a_release_changed_on_disk_is_noticed(coop: Any, store: StoreHome, name: str) -> None:
    publish(coop, 1)
    _fetch(coop, store)
    file = store.releases / "000001" / name
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(bytes(changed))
    with pytest.raises(ReleaseRefusedError):
        active_release(store)


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"active": 1, "other": 2})])
def test_a_damaged_pointer_is_said(coop: Any, store: StoreHome, content: str) -> None:
    store.releases.mkdir()
    (store.releases / "active.json").write_text(content)
    with pytest.raises(ReleaseRefusedError, match="damaged"):
        active_release(store)


def test_a_member_that_left_gets_no_release(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    with member_caller(store) as caller:
        caller.call(lambda stub, timeout: stub.Leave(coop_pb2.LeaveRequest(), timeout=timeout))
    fetch: Callable[[], Release | None] = lambda: _fetch(coop, store)  # noqa: E731
    with pytest.raises(CoopRefusedError, match="not count this store as a member"):
        fetch()


def test_a_signed_model_that_no_honest_round_could_give_is_refused(coop: Any, store: StoreHome) -> None:
    honest = state_of(coop.home.charter(), 1)
    extreme = honest.updated({"ranker/weights": honest["ranker/weights"] + 1e12})
    for state in (extreme, SharedState({"weights": np.zeros(8)})):
        candidate = Candidate(
            programme_id=f"{len(state):016x}",
            state=state,
            rounds=2,
            participants=3,
            roster_sha256=bytes(32),
            evaluation={},
        )
        connection = connect(coop.home.database)
        connection.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
            " VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM programmes), 0, 'finished', ?)",
            (candidate.programme_id, coop.home.charter().sha256()),
        )
        connection.close()
        publish_release(coop.home, candidate, now=datetime.now(UTC))
        with pytest.raises(ReleaseRefusedError, match="could have given"):
            _fetch(coop, store)
        assert active_release(store) is None
