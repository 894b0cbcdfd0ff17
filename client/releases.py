"""The co-op's releases at the store: fetched, checked, kept beside the one before, and one of them in use.

A release that fails a check changes nothing. The pointer file says which release is in use, which one to
fall back to, and the highest number ever accepted: falling back does not make the store take an older
release, or the same one again, from the coordinator. Leaving the co-op does not either: `releases_seen`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from highstreet.audit.bias_report import PreviousSums
from highstreet.audit.charter_format import from_document
from highstreet.audit.claims import are_same, claims_of
from highstreet.audit.errors import AuditError
from highstreet.audit.manifest import Manifest
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_charter, load_membership
from highstreet.client.release_figures import (
    measured_by_the_one_before,
    refuse_by_its_figures,
    refused_release,
)
from highstreet.client.releases_seen import SeenRelease, last_seen, note_seen
from highstreet.files import FileAccessError, make_private_folder, read_limited, write_private
from highstreet.models.errors import ModelsError
from highstreet.models.programme import check_state
from highstreet.models.state import SharedState, StateLimits
from highstreet.privacy.claims import TwoClaims

__all__ = [
    "Release",
    "accept_release",
    "active_manifest",
    "active_release",
    "active_signed",
    "offered_manifest",
    "roll_back",
]

_MANIFEST_LIMIT_BYTES = 4 << 20
_ROUNDING = 1e-9
_MODEL_LIMIT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release that passed every check.

    Attributes:
        manifest: what it says about itself.
        state: the shared model.
    """

    manifest: Manifest
    state: SharedState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pointer:
    """Numbers of releases (0: none): in use, to fall back to, highest ever accepted with its hash."""

    active: int = 0
    previous: int = 0
    highest: int = 0
    highest_sha256: str = "0" * 64


def offered_manifest(
    home: StoreHome, signed: SignedDocument, *, number: int, max_state_bytes: int
) -> Manifest | None:
    """Return what a release that the coordinator offers says about itself; None where it is not a new one.

    Args:
        home: of the store.
        signed: its manifest.
        number: under which it is offered.
        max_state_bytes: most that this store takes.

    Raises:
        ReleaseRefusedError: it is not one that this store may use.
    """
    if number == _pointer(home).highest:
        return None
    manifest = _checked_manifest(home, signed, max_state_bytes)
    if manifest.number != number:
        raise refused_release(number, "its manifest has another number")
    return manifest


def accept_release(
    home: StoreHome,
    signed: SignedDocument,
    model: bytes,
    *,
    max_state_bytes: int,
    before: SignedDocument | None = None,
) -> Release:
    """Check a release, keep it, and put it in use in one step; the one in use before is kept to fall back to.

    Args:
        home: of the store.
        signed: its manifest.
        model: its file.
        max_state_bytes: most that this store takes.
        before: manifest of the release before, for a store that has not got that one itself.

    Raises:
        ReleaseRefusedError: tampered, older, another co-op's, under another charter, too large, or kept back
            by a rule on bias that nobody has overridden; nothing changed.
        FileAccessError: the disk is full; nothing changed.
    """
    manifest = _checked_manifest(home, signed, max_state_bytes)
    state = _checked_model(home, manifest, model, max_state_bytes)
    pointer = _pointer(home)
    refuse_by_its_figures(
        load_charter(home), manifest, state, known_previous=_previous(home, manifest, before)
    )
    folder = _folder(home, manifest.number)
    make_private_folder(home.releases)
    make_private_folder(folder)
    write_private(folder / "model.safetensors", model)
    write_private(folder / "manifest.json", signed.to_file_bytes())
    # Before it is in use: a crash in between leaves it to be taken again, and nothing older.
    note_seen(
        home,
        load_membership(home),
        number=manifest.number,
        sha256=signed.sha256().hex(),
        programme_id=manifest.programme_id,
    )
    _point(
        home,
        _Pointer(
            active=manifest.number,
            previous=pointer.active,
            highest=manifest.number,
            highest_sha256=signed.sha256().hex(),
        ),
    )
    _forget_others(home, keep={manifest.number, pointer.active})
    return Release(manifest=manifest, state=state)


def active_release(home: StoreHome) -> Release | None:
    """Return the release in use, its signature and hashes checked again; None when there is none.

    Raises:
        ReleaseRefusedError: the files are not what was accepted.
    """
    number = _pointer(home).active
    if not number:
        return None
    folder = _folder(home, number)
    try:
        manifest = _kept_manifest(home, number)
        model = read_limited(folder / "model.safetensors", limit_bytes=_MODEL_LIMIT_BYTES)
    except (AuditError, FileAccessError) as error:
        raise refused_release(number, "its files on this computer are damaged") from error
    state = _checked_model(home, manifest, model, _MODEL_LIMIT_BYTES)
    before = None if manifest.bias is None else manifest.bias.previous  # held to its manifest when accepted
    refuse_by_its_figures(load_charter(home), manifest, state, known_previous=before)
    return Release(manifest=manifest, state=state)


def active_manifest(home: StoreHome) -> Manifest | None:
    """Return what the release in use says about itself, its signature checked; None when there is none.

    Raises:
        ReleaseRefusedError: it is not what was accepted.
    """
    number = _pointer(home).active
    if not number:
        return None
    try:
        return _kept_manifest(home, number)
    except (AuditError, FileAccessError) as error:
        raise refused_release(number, "its files on this computer are damaged") from error


def active_signed(home: StoreHome) -> SignedDocument | None:
    """Return the manifest of the release in use as the coordinator signed it; None when there is none.

    Raises:
        ReleaseRefusedError: manifest or model are not what was accepted.
    """
    release = active_release(home)
    return None if release is None else _kept_signed(home, release.manifest.number)


def roll_back(home: StoreHome) -> int:
    """Put the release before in use again and return its number.

    Raises:
        ReleaseRefusedError: there is none to go back to.
    """
    pointer = _pointer(home)
    if not pointer.previous:
        raise ReleaseRefusedError(
            "There is no earlier release on this computer to go back to.",
            next_step="The shop's own model goes on serving without one.",
        )
    _point(
        home,
        _Pointer(
            active=pointer.previous,
            previous=0,
            highest=pointer.highest,
            highest_sha256=pointer.highest_sha256,
        ),
    )
    return pointer.previous


def _checked_manifest(home: StoreHome, signed: SignedDocument, max_state_bytes: int) -> Manifest:
    """Return a manifest by this store's coordinator, newer than all before, under the charter agreed to."""
    membership, charter, pointer = load_membership(home), load_charter(home), _pointer(home)
    seen = last_seen(home, membership)
    try:
        signed.verify(SignatureKind.RELEASE, membership.coordinator_key)
        manifest = Manifest.from_document(signed.document)
    except AuditError as error:
        raise refused_release(0, f"it is not by this store's coordinator ({error.what})") from error
    again = manifest.number == seen.number and signed.sha256().hex() != seen.sha256
    replayed = manifest.programme_id in seen.programmes and signed.sha256().hex() != seen.sha256
    newest = max(seen, SeenRelease(number=pointer.highest, sha256=pointer.highest_sha256), key=_number)
    follows = manifest.number == newest.number + 1
    reasons = (
        (manifest.coop_id != membership.coop_id, "it belongs to another co-op"),
        (manifest.number <= pointer.highest, f"this store has seen release {pointer.highest} already"),
        (manifest.number < seen.number, f"this store has seen release {seen.number} already"),
        (again, f"this store has seen another release {seen.number}"),
        (replayed, "this store has seen a release of the same training already"),
        (manifest.charter_sha256 != membership.charter_sha256, "it was made under another charter"),
        (manifest.rung != charter.plan.rung, "it names another kind of model"),
        (manifest.schema_sha256 != charter.plan.schema.sha256(), "it uses another feature schema"),
        (follows and manifest.previous_sha256 != newest.sha256, "it does not follow the one before"),
        (
            manifest.claims.about(charter.privacy.privacy_unit).epsilon > charter.privacy.epsilon + _ROUNDING,
            "it cost more privacy than agreed",
        ),
        (manifest.participants < charter.rounds.cohort_floor, "too few stores took part in it"),
        (manifest.noise is not charter.privacy.noise, "its noise was added elsewhere than agreed"),
        (manifest.model_bytes > max_state_bytes, "it is larger than this store allows"),
    )
    for is_wrong, reason in reasons:
        if is_wrong:
            raise refused_release(manifest.number, reason)
    if not are_same(manifest.claims, _agreed_claims(charter.document())):
        raise refused_release(manifest.number, "its privacy figures are not those of the charter")
    return manifest


@lru_cache(maxsize=2)
def _agreed_claims(charter: bytes) -> TwoClaims:
    """Recompute what a training under a charter costs; kept, for a refused release is offered again."""
    return claims_of(from_document(charter))


def _number(release: SeenRelease) -> int:
    return release.number


def _checked_model(home: StoreHome, manifest: Manifest, model: bytes, max_state_bytes: int) -> SharedState:
    """Return the model that was signed, if it is one that the charter's rounds could have given."""
    if len(model) != manifest.model_bytes or hashlib.sha256(model).hexdigest() != manifest.model_sha256:
        raise refused_release(manifest.number, "its model file is not the one that was signed")
    try:
        state = SharedState.from_bytes(model, StateLimits(payload_bytes=max_state_bytes))
    except ModelsError as error:
        raise refused_release(manifest.number, "its model file cannot be read as a model") from error
    plan = load_charter(home).plan
    try:
        check_state(plan, state, phases_done=len(plan.phases))
    except ModelsError as error:
        raise refused_release(
            manifest.number, "its model is not one that the charter's rounds could have given"
        ) from error
    return state


def _previous(home: StoreHome, manifest: Manifest, brought: SignedDocument | None) -> PreviousSums | None:
    """Return what the release before measured, by its manifest: kept here, or brought along."""
    kept = [each for each in (_newest_kept(home), brought) if each is not None]
    return measured_by_the_one_before(
        load_charter(home), load_membership(home).coordinator_key, manifest, kept
    )


def _newest_kept(home: StoreHome) -> SignedDocument | None:
    """Read the manifest of the newest release accepted, signature not checked; None where it is not here."""
    path = _folder(home, _pointer(home).highest) / "manifest.json"
    try:
        return SignedDocument.from_file_bytes(read_limited(path, limit_bytes=_MANIFEST_LIMIT_BYTES))
    except (AuditError, FileAccessError):
        return None  # the one that is brought along is held to the same hash


def _kept_manifest(home: StoreHome, number: int) -> Manifest:
    """Read the manifest of a release kept here and check its signature."""
    return Manifest.from_document(_kept_signed(home, number).document)


def _kept_signed(home: StoreHome, number: int) -> SignedDocument:
    data = read_limited(_folder(home, number) / "manifest.json", limit_bytes=_MANIFEST_LIMIT_BYTES)
    signed = SignedDocument.from_file_bytes(data)
    signed.verify(SignatureKind.RELEASE, load_membership(home).coordinator_key)
    return signed


def _folder(home: StoreHome, number: int) -> Path:
    return home.releases / f"{number:06d}"


def _pointer(home: StoreHome) -> _Pointer:
    path = home.releases / "active.json"
    if not path.exists():
        return _Pointer()
    try:
        return _Pointer(**json.loads(read_limited(path, limit_bytes=4096)))
    except (ValueError, TypeError) as error:
        raise refused_release(0, f"{path} is damaged") from error


def _point(home: StoreHome, pointer: _Pointer) -> None:
    write_private(home.releases / "active.json", json.dumps(asdict(pointer)).encode())


def _forget_others(home: StoreHome, *, keep: set[int]) -> None:
    """Remove releases neither in use nor to fall back to; leaving one behind does no harm."""
    kept = {_folder(home, number) for number in keep}
    for folder in home.releases.iterdir():
        if folder.is_dir() and folder not in kept:
            with contextlib.suppress(OSError):
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()
