"""A release is used only when it is in the log that enough members saw; one made for one store is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from published import publish
from witnesses import cosign, fetch, others, vouch_for_all

from highstreet.audit.checkpoints import store_origin, witness_key
from highstreet.audit.errors import WitnessConflictError
from highstreet.audit.log_entries import EntryKind
from highstreet.audit.manifest import Manifest
from highstreet.audit.signed_notes import NoteSignature, SignedNote, cosign_text
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.departure import leave_coop
from highstreet.client.errors import ReleaseNotWitnessedError, ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.join import join_coop
from highstreet.client.log_watch import watching_log
from highstreet.client.membership import load_membership
from highstreet.client.release_watch import WatchTimes, ask_for_release, watching_releases
from highstreet.client.releases import active_manifest
from highstreet.client.store_log import StoreLog
from highstreet.protos import coop_pb2
from highstreet.server import member_service

#: Far more than it takes; the machine may be busy.
_PATIENCE_SECONDS = 120


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: Any) -> StoreHome:
    home = StoreHome(tmp_path / "store").ensure()
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


@pytest.fixture
def offer(coop: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the coordinator offer a manifest of its choice as the newest, and say that it is at a place."""

    def offering(manifest: Manifest, place: int) -> None:
        signed = SignedDocument.create(SignatureKind.RELEASE, manifest.to_dict(), coop.home.coordinator_key())
        monkeypatch.setattr(member_service, "latest_manifest", lambda _: (manifest.number, signed))
        monkeypatch.setattr(coop.log, "place_of_release", lambda *_: place)

    return offering


def _grow(coop: Any, count: int) -> None:
    for _ in range(count):
        key = f"grown/{coop.log.book.size}"
        coop.log.book.append(EntryKind.CONSENT_ROOT, key, {"position": 1, "root": "00" * 32})


def _used(store: StoreHome) -> int:
    manifest = active_manifest(store)
    return 0 if manifest is None else manifest.number


def test_a_release_waits_for_as_many_members_as_the_floor(
    coop: Any, store: StoreHome, tmp_path: Path
) -> None:
    one, two = others(coop, tmp_path)
    vouch_for_all(store)
    publish(coop, 1)
    with pytest.raises(ReleaseNotWitnessedError, match="waits: 2 more of the shops"):
        fetch(store)
    cosign(one)
    with pytest.raises(ReleaseNotWitnessedError, match="waits: 1 more of the shops"):
        fetch(store)
    assert _used(store) == 0
    cosign(two)
    assert fetch(store) is not None
    assert _used(store) == 1
    assert fetch(store) is None


def test_members_need_not_be_there_together_nor_see_the_log_at_one_size(
    coop: Any, store: StoreHome, tmp_path: Path
) -> None:
    one, two = others(coop, tmp_path)
    vouch_for_all(store)
    publish(coop, 1)
    cosign(one)
    _grow(coop, 3)
    cosign(two)
    _grow(coop, 300)  # a month goes by
    assert fetch(store) is not None


def test_shops_that_run_have_it_some_seconds_after_it_is_out(
    coop: Any, store: StoreHome, tmp_path: Path
) -> None:
    """Three of three, each with the threads of a running store at a fifth of their times; nobody waits."""
    running = [store, *others(coop, tmp_path)]
    for each in running:
        vouch_for_all(each)
    ending, times = threading.Event(), WatchTimes(ask_seconds=1.0)
    with ExitStack() as stack:
        for each in running:
            log = StoreLog(each)
            ask = partial(ask_for_release, each, log)
            stack.enter_context(watching_log(each, log, ending, every_seconds=3.0))
            stack.enter_context(watching_releases(ending, ask=ask, fit=lambda: None, times=times))
        stack.callback(ending.set)
        for number in (1, 2):
            publish(coop, number)
            began = time.monotonic()
            while not all(_used(each) == number for each in running):
                assert time.monotonic() - began < _PATIENCE_SECONDS
                ending.wait(0.05)


def test_who_cosigned_before_a_release_does_not_vouch_for_it(
    coop: Any, store: StoreHome, tmp_path: Path
) -> None:
    one, two = others(coop, tmp_path)
    vouch_for_all(store)
    cosign(one, two)
    publish(coop, 1)
    cosign(one)
    with pytest.raises(ReleaseNotWitnessedError, match="1 more"):
        fetch(store)


def test_members_that_do_not_count_here_vouch_for_nothing(
    coop: Any, store: StoreHome, tmp_path: Path
) -> None:
    """Whoever the coordinator put on the roster by itself."""
    invented = others(coop, tmp_path, 5)
    publish(coop, 1)
    cosign(*invented)
    with pytest.raises(ReleaseNotWitnessedError, match="2 more"):
        fetch(store)
    vouch_for_all(store)
    assert fetch(store) is not None


def test_a_member_that_left_vouches_no_more(coop: Any, store: StoreHome, tmp_path: Path) -> None:
    one, two, three = others(coop, tmp_path, 3)
    vouch_for_all(store)
    publish(coop, 1)
    cosign(one, two)
    leave_coop(two)
    vouch_for_all(store)  # fetches the roster, as the store does every few seconds
    with pytest.raises(ReleaseNotWitnessedError, match="1 more"):
        fetch(store)
    cosign(three)
    assert fetch(store) is not None


def test_cosignatures_that_the_coordinator_made_up_count_for_nothing(
    coop: Any, store: StoreHome, tmp_path: Path
) -> None:
    invented = others(coop, tmp_path)
    vouch_for_all(store)
    publish(coop, 1)
    cosign(store)
    true = coop.log.cosigned

    def forged() -> list[SignedNote]:
        (note,) = true()
        lines = [_made_up(note, home, coop.home.coordinator_key()) for home in invented]
        return [replace(note, signatures=(*note.signatures, *lines))]

    coop.log.cosigned = forged
    with pytest.raises(ReleaseNotWitnessedError, match="2 more"):
        fetch(store)


def _made_up(note: SignedNote, home: StoreHome, key: Ed25519PrivateKey) -> NoteSignature:
    """A cosignature under a member's name and the id of its key, made with another key."""
    membership = load_membership(home)
    name = store_origin(membership.coop_id, membership.member_id)
    line = cosign_text(note.text, name=name, private_key=key, at=1_800_000_000)
    return replace(line, key_id=witness_key(name, load_identity(home).signing_public_key).key_id())


def test_a_release_signed_for_one_store_alone_is_not_used(
    coop: Any, store: StoreHome, tmp_path: Path, offer: Callable[..., None]
) -> None:
    with_it = others(coop, tmp_path)
    vouch_for_all(store)
    publish(coop, 1)
    cosign(*with_it)
    assert fetch(store) is not None
    second = publish(coop, 2)
    cosign(*with_it)
    size, own = coop.log.book.size, replace(second, rounds=second.rounds + 1)
    true = coop.log.place_of_release(2, second.sha256())
    for place in (1, true):  # another entry; the true release's
        offer(own, place)
        with pytest.raises(ReleaseRefusedError, match="the entry of the coordinator's log"):
            fetch(store)
    for place in (0, size, 2**63):
        offer(own, place)
        with pytest.raises(ReleaseNotWitnessedError, match="not in the coordinator's log yet"):
            fetch(store)
    assert _used(store) == 1
    offer(second, true)
    assert fetch(store) is not None  # the true one, as a control


def test_one_in_between_that_only_one_store_was_offered_is_not_used(
    coop: Any, store: StoreHome, tmp_path: Path, offer: Callable[..., None]
) -> None:
    """The coordinator signs a release 2 for one store, and names it in the release 3 that all get."""
    with_it = others(coop, tmp_path)
    vouch_for_all(store)
    first = publish(coop, 1)
    cosign(*with_it)
    between = replace(first, number=2, previous_sha256=first.sha256(), programme_id="2" * 16)
    for place in range(1, coop.log.book.size):
        offer(between, place)
        with pytest.raises(ReleaseRefusedError, match="the entry of the coordinator's log"):
            fetch(store)
    assert _used(store) == 0


def test_an_entry_that_is_shown_and_not_in_the_log_publishes_nothing(
    coop: Any, store: StoreHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offer: Callable[..., None]
) -> None:
    """The coordinator answers for one store with an entry made up for it, in the place of another."""
    with_it = others(coop, tmp_path)
    vouch_for_all(store)
    first = publish(coop, 1)
    cosign(*with_it)
    own, place = replace(first, rounds=first.rounds + 1), coop.log.place_of_release(1, first.sha256())
    true = coop.log.book.entries(place, 1)[0]
    forged = true.replace(first.sha256().encode(), own.sha256().encode())
    assert forged != true
    offer(own, place)
    monkeypatch.setattr(
        member_service, "entries_reply", lambda log, request: coop_pb2.EntriesReply(entries=[forged])
    )
    with pytest.raises(ReleaseRefusedError, match="not in the coordinator's log"):
        fetch(store)
    assert _used(store) == 0


def _written_anew(coop: Any, manifest: Manifest) -> None:
    """The coordinator forks its log: from the second entry on it is another, with the release in it."""
    for path in [*coop.home.log.glob("*"), coop.home.log_mark]:
        path.unlink()
    coop.log.__init__(coop.home, clock=coop.now)
    _grow(coop, 1)
    coop.log.follow()
    assert coop.log.place_of_release(manifest.number, manifest.sha256())


def test_a_fork_in_which_a_release_stands_for_one_store_is_noticed(
    coop: Any, store: StoreHome, tmp_path: Path
) -> None:
    """What the two others saw contradicts it; and without showing that, there is no quorum."""
    with_it = others(coop, tmp_path)
    vouch_for_all(store)
    manifest = publish(coop, 1)
    cosign(*with_it)
    served = coop.log.cosigned()
    _written_anew(coop, manifest)
    with pytest.raises(ReleaseNotWitnessedError, match="2 more"):
        fetch(store)
    coop.log.cosigned = lambda: served
    with pytest.raises(WitnessConflictError):
        fetch(store)
    assert _used(store) == 0
