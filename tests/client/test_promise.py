"""What the co-op promises is read from this store's folder and recomputed; what is off is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from published import publish
from witnesses import fetch_witnessed

from highstreet.audit.claims import claims_of
from highstreet.audit.errors import SignatureMismatchError
from highstreet.audit.limits import StoreLimits
from highstreet.audit.manifest import Manifest
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.cli import main
from highstreet.client.errors import ReleaseRefusedError, StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.promise import read_promise


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    return home


def _released(coop: Any, store: StoreHome) -> Manifest:
    manifest = publish(coop, 1)
    assert fetch_witnessed(coop, store, max_state_bytes=1 << 20) is not None
    return manifest


def test_both_claims_are_recomputed_from_the_charter_on_disk(
    coop: Any, store: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    charter = coop.home.charter()
    found = read_promise(store)
    assert found.charter == charter
    assert found.claims == claims_of(charter)
    assert main(["store", "promise", "--home", str(store.root)]) == 0
    shown = capsys.readouterr().out
    for line in claims_of(charter).lines():
        assert line in shown
    assert charter.sha256().hex() in shown
    assert "as no more than 1 of the other shops work with the coordinator" in shown
    assert "popularity: 77,834 numbers, one customer counts for at most 1, noise 5 times that" in shown
    assert "No release is in use." in shown


def test_the_charter_it_prints_is_the_one_a_coordinator_checks(
    coop: Any, store: StoreHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "promise", "--charter", "--home", str(store.root)]) == 0
    file = tmp_path / "charter.toml"
    file.write_text(capsys.readouterr().out)
    assert main(["coop", "charter", "check", str(file)]) == 0
    assert coop.home.charter().sha256().hex() in capsys.readouterr().out
    file.write_text(file.read_text().replace("shops_per_person = 4", "shops_per_person = 5"))
    assert main(["coop", "charter", "check", str(file)]) == 0
    assert coop.home.charter().sha256().hex() not in capsys.readouterr().out


def test_programs_get_claims_charter_and_release(
    coop: Any, store: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = _released(coop, store)
    capsys.readouterr()  # what the coordinator wrote of those who joined
    main(["store", "promise", "--json", "--home", str(store.root)])
    found = json.loads(capsys.readouterr().out)
    claims = claims_of(coop.home.charter())
    assert [claim["epsilon"] for claim in found["claims"]] == [claims.customer.epsilon, claims.person.epsilon]
    assert [claim["shops"] for claim in found["claims"]] == [1, 4]
    assert found["charter"] == coop.home.charter().to_dict()
    assert found["release"] == manifest.to_dict()


def test_the_release_in_use_is_held_to_the_promise(
    coop: Any, store: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    _released(coop, store)
    main(["store", "promise", "--home", str(store.root)])
    assert "Release 1 of " in capsys.readouterr().out


@pytest.mark.parametrize("other", ["claims", "charter"])
def test_a_release_of_another_promise_is_not_shown_as_this_ones(
    coop: Any, store: StoreHome, other: str
) -> None:
    manifest = _released(coop, store)
    dearer = replace(manifest.claims, person=replace(manifest.claims.person, epsilon=9.0))
    changes: dict[str, Any] = {"claims": dearer} if other == "claims" else {"charter_sha256": "1" * 64}
    changed = replace(manifest, **changes)
    signed = SignedDocument.create(SignatureKind.RELEASE, changed.to_dict(), coop.home.coordinator_key())
    (store.releases / "000001" / "manifest.json").write_bytes(signed.to_file_bytes())
    with pytest.raises(ReleaseRefusedError, match="not made under the promise"):
        read_promise(store)


def test_a_model_file_that_was_changed_is_told(coop: Any, store: StoreHome) -> None:
    _released(coop, store)
    file = store.releases / "000001" / "model.safetensors"
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    with pytest.raises(ReleaseRefusedError, match="not the one that was signed"):
        read_promise(store)


def test_a_charter_with_less_noise_in_it_is_told(store: StoreHome) -> None:
    file = store.coop / "charter.json"
    file.write_text(file.read_text().replace('"noise_multiplier": 5.0', '"noise_multiplier": 4.0'))
    with pytest.raises(SignatureMismatchError):
        read_promise(store)


def test_a_charter_signed_anew_is_not_the_one_agreed_to(coop: Any, store: StoreHome) -> None:
    charter = coop.home.charter()
    other = replace(charter, privacy=replace(charter.privacy, shops_per_person=1))
    signed = SignedDocument.create(SignatureKind.CHARTER, other.to_dict(), coop.home.coordinator_key())
    (store.coop / "charter.json").write_bytes(signed.to_file_bytes())
    with pytest.raises(StoreConfigError, match="not the one this store agreed to"):
        read_promise(store)


def test_a_store_in_no_co_op_has_no_promise_to_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "promise", "--home", str(tmp_path)]) == 1
    assert "in no co-op" in capsys.readouterr().err
