"""A release that fails one check changes nothing, and the one before is kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import publish, state_of

from highstreet.audit.limits import StoreLimits
from highstreet.client import release_fetch as fetch_module
from highstreet.client.departure import leave_coop
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.releases import accept_release, active_release
from highstreet.models.state import SharedState
from highstreet.privacy.releases import Neighbouring, Weighting
from highstreet.protos import coop_pb2
from highstreet.server.database import connect
from highstreet.server.releases import Candidate, publish_release, release_file
from tests.client.fetched import LIMIT_BYTES, everything_in, fetch_release, published_by, resigned


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


_ODD: dict[str, tuple[dict[str, Any], str]] = {
    "older": ({"number": 1}, "seen release 1 already"),
    "another co-op's": ({"coop_id": "cd" * 16}, "another co-op"),
    "another charter's": ({"charter_sha256": "1" * 64}, "another charter"),
    "another schema's": ({"schema_sha256": "1" * 64}, "another feature schema"),
    "of another kind": ({"rung": "oracle"}, "another kind of model"),
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
    fetch_release(coop, store)
    second = publish(coop, 2)
    before = everything_in(store)
    changes, said = _ODD[name]
    with pytest.raises(ReleaseRefusedError, match=said) as caught:
        accept_release(
            store, resigned(coop, second, **changes), published_by(coop)[1], max_state_bytes=LIMIT_BYTES
        )
    assert "Nothing was changed" in caught.value.what
    assert everything_in(store) == before


def test_a_release_that_cost_more_than_agreed_is_refused(coop: Any, store: StoreHome) -> None:
    manifest = publish(coop, 1)
    dear = replace(manifest.claims, customer=replace(manifest.claims.customer, epsilon=9.0))
    with pytest.raises(ReleaseRefusedError, match="more privacy than agreed"):
        accept_release(
            store, resigned(coop, manifest, claims=dear), published_by(coop)[1], max_state_bytes=LIMIT_BYTES
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
            store, resigned(coop, manifest, claims=told), published_by(coop)[1], max_state_bytes=LIMIT_BYTES
        )
    assert active_release(store) is None


def test_leaving_and_joining_again_does_not_bring_an_older_release(
    coop: Any, store: StoreHome, limits: StoreLimits
) -> None:
    publish(coop, 1)
    older, model = published_by(coop)
    fetch_release(coop, store)
    second = publish(coop, 2)
    fetch_release(coop, store)
    leave_coop(store)
    join_coop(store, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    with pytest.raises(ReleaseRefusedError, match="seen release 2"):
        accept_release(store, older, model, max_state_bytes=LIMIT_BYTES)
    forged = resigned(coop, second, rounds=3)
    with pytest.raises(ReleaseRefusedError, match="another release 2"):
        accept_release(store, forged, published_by(coop)[1], max_state_bytes=LIMIT_BYTES)
    fetched = fetch_release(coop, store)  # the very one it had is the newest still
    assert fetched is not None
    assert fetched.manifest == second
    assert fetch_release(coop, store) is None
    third = resigned(coop, publish(coop, 3), previous_sha256="1" * 64)
    with pytest.raises(ReleaseRefusedError, match="does not follow"):
        accept_release(store, third, published_by(coop)[1], max_state_bytes=LIMIT_BYTES)


def test_a_manifest_changed_after_signing_is_refused(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    signed, model = published_by(coop)
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
    signed, model = published_by(coop)
    changed = bytearray(model)
    changed[place] ^= 1
    with pytest.raises(ReleaseRefusedError, match="not the one that was signed"):
        accept_release(store, signed, bytes(changed), max_state_bytes=LIMIT_BYTES)
    assert active_release(store) is None


def test_a_signed_file_that_is_no_model_is_refused(coop: Any, store: StoreHome) -> None:
    manifest = publish(coop, 1)
    junk = b"not a model"
    signed = resigned(coop, manifest, model_sha256=hashlib.sha256(junk).hexdigest(), model_bytes=len(junk))
    with pytest.raises(ReleaseRefusedError, match="cannot be read as a model"):
        accept_release(store, signed, junk, max_state_bytes=LIMIT_BYTES)


def test_a_release_larger_than_announced_is_not_read_to_its_end(coop: Any, store: StoreHome) -> None:
    publish(coop, 1)
    file = release_file(coop.home, 1)
    file.write_bytes(file.read_bytes() + bytes(3 << 20))
    with pytest.raises(ReleaseRefusedError, match="not the one that was signed"):
        fetch_release(coop, store)
    taken = 0

    def chunks() -> Any:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield coop_pb2.ReleaseChunk(data=bytes(10))

    assert len(fetch_module._collect(chunks(), limit_bytes=25)) == 30
    assert taken == 3


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
            fetch_release(coop, store)
        assert active_release(store) is None
