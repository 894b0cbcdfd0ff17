"""A release is fetched once and used, the one before is kept, and what is on the disk is what was checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from published import publish, state_of

from highstreet.audit.limits import StoreLimits
from highstreet.audit.manifest import Manifest
from highstreet.client import releases as releases_module
from highstreet.client import releases_seen as seen_module
from highstreet.client.errors import CoopRefusedError, ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.membership import member_caller
from highstreet.client.releases import Release, active_release, roll_back
from highstreet.files import DiskFullError
from highstreet.protos import coop_pb2
from highstreet.server.releases import release_file
from tests.client.fetched import fetch_release


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


def test_before_the_first_release_there_is_none(coop: Any, store: StoreHome) -> None:
    assert fetch_release(coop, store) is None
    assert active_release(store) is None
    with pytest.raises(ReleaseRefusedError, match="no earlier release"):
        roll_back(store)


def test_a_new_release_is_fetched_once_and_used(coop: Any, store: StoreHome) -> None:
    manifest = publish(coop, 1)
    fetched = fetch_release(coop, store)
    assert fetched is not None
    assert fetched.manifest == manifest
    assert fetched.state == state_of(coop.home.charter(), 1)
    assert active_release(store) == fetched
    assert fetch_release(coop, store) is None


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
    fetched = fetch_release(coop, store)
    assert fetched is not None
    assert fetched.state == state_of(coop.home.charter(), 1)


def test_the_one_before_is_kept_and_older_ones_are_not(coop: Any, store: StoreHome) -> None:
    for number in (1, 2, 3):
        publish(coop, number)
        fetch_release(coop, store)
    assert sorted(path.name for path in store.releases.iterdir() if path.is_dir()) == ["000002", "000003"]
    assert roll_back(store) == 2
    active = active_release(store)
    assert active is not None
    assert active.state == state_of(coop.home.charter(), 2)
    assert fetch_release(coop, store) is None  # the one rolled back from does not come back by itself
    with pytest.raises(ReleaseRefusedError):
        roll_back(store)
    publish(coop, 4)
    assert fetch_release(coop, store) is not None


def test_a_store_that_was_away_takes_the_newest(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    fetch_release(coop, store)
    for number in (2, 3, 4):
        publish(coop, number)
    fetched = fetch_release(coop, store)
    assert fetched is not None
    assert fetched.manifest.number == 4


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
        fetch_release(coop, store)
    assert active_release(store) is None


def test_a_training_is_remembered_or_its_release_not_taken(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(coop, 1)
    assert fetch_release(coop, store) is not None
    publish(coop, 2)
    with monkeypatch.context() as patched:
        patched.setattr(seen_module, "_MOST_PROGRAMMES", 1)
        with pytest.raises(ReleaseRefusedError, match="can tell no more apart"):
            fetch_release(coop, store)
    used = active_release(store)
    assert used is not None
    assert used.manifest.number == 1
    assert fetch_release(coop, store) is not None


def test_a_release_missing_at_the_coordinator_is_said(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    release_file(coop.home, 1).unlink()
    with pytest.raises(CoopRefusedError, match="no release of that number"):
        fetch_release(coop, store)
    assert active_release(store) is None


@pytest.mark.parametrize("failing_write", range(4))
def test_a_full_disk_keeps_the_one_in_use(
    coop: Any, store: StoreHome, monkeypatch: pytest.MonkeyPatch, failing_write: int
) -> None:
    publish(coop, 1)
    fetch_release(coop, store)
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
            fetch_release(coop, store)
    active = active_release(store)
    assert active is not None
    assert active.state == state_of(coop.home.charter(), 1)
    again = fetch_release(coop, store)
    assert again is not None
    assert again.state == state_of(coop.home.charter(), 2)


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_a_release_changed_on_disk_is_noticed(coop: Any, store: StoreHome, name: str) -> None:
    publish(coop, 1)
    fetch_release(coop, store)
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
    fetch: Callable[[], Release | None] = lambda: fetch_release(coop, store)  # noqa: E731
    with pytest.raises(CoopRefusedError, match="not count this store as a member"):
        fetch()
