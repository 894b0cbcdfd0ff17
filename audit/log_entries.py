"""An entry of the log: its time, its kind, the key it is written under once, and a body of a closed form.

People appear in no entry but as salted commitments (`audit.commitments`), whose salts lie in the store's
vault and are destroyed on erasure. No field takes free text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from highstreet.audit.canonical import Json, canonical_json, read_canonical
from highstreet.audit.checkpoints import coordinator_origin, store_origin
from highstreet.audit.errors import LogEntryError, SignedNoteError, UnreadableDocumentError
from highstreet.audit.merkle import leaf_hash

__all__ = ["ENTRY_LIMIT_BYTES", "FORMAT_VERSION", "EntryDraft", "EntryKind", "LogEntry", "key_in"]

FORMAT_VERSION = 1
#: No entry is longer; the line's end not counted.
ENTRY_LIMIT_BYTES = 4096
_LATEST_SECONDS = 1 << 40
_KEY = re.compile(r"[a-z0-9][a-z0-9._/:-]{0,199}")
_KEY_FIELD = b',"key":"'

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]
_Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ -]{1,64}$")]
_Count = Annotated[int, Field(ge=0, le=2**53)]


class EntryKind(StrEnum):
    """What an entry is about. A closed list; another kind is another format version."""

    OPENING = "opening"
    ROUND = "round"
    RELEASE = "release"
    SPEND = "spend"
    CONSENT_ROOT = "consent_root"
    ATTESTATION = "attestation"
    OVERRIDE = "override"
    MEMBERSHIP = "membership"
    ERASURE = "erasure"
    WITNESS = "witness"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDraft:
    """What somebody wants written: an entry that has no time yet.

    Attributes:
        kind: what it is about.
        key: names the event; a log holds one entry for each key, however often it is asked for.
        body: plain values in the form of its kind.
    """

    kind: EntryKind
    key: str
    body: Mapping[str, Json]

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise LogEntryError("An entry's key is not one that the log takes.")
        _check_body(self.kind, self.body)
        object.__setattr__(self, "body", MappingProxyType(dict(self.body)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry, in its own form.

    Attributes:
        at: unix seconds by the writer's clock; never before the entry in front of it.
        draft: the rest.

    Raises:
        LogEntryError: (when made) the time is none, or the entry is too long.
    """

    at: int
    draft: EntryDraft

    def __post_init__(self) -> None:
        if not 0 <= self.at < _LATEST_SECONDS:
            raise LogEntryError("An entry's time is none that a clock shows.")
        if len(self.document()) > ENTRY_LIMIT_BYTES:
            raise LogEntryError(f"An entry of the log has at most {ENTRY_LIMIT_BYTES} bytes.")

    def document(self) -> bytes:
        """Return the canonical bytes: a line of the log's file, and what is hashed."""
        return canonical_json(
            {
                "format_version": FORMAT_VERSION,
                "kind": self.draft.kind.value,
                "at": self.at,
                "key": self.draft.key,
                "body": dict(self.draft.body),
            }
        )

    def leaf(self) -> bytes:
        """Return the hash that stands for it in the tree."""
        return leaf_hash(self.document())

    @classmethod
    def from_document(cls, document: bytes) -> LogEntry:
        """Read an entry; everything but its own spelling is refused.

        Raises:
            LogEntryError: it is not an entry of this version.
        """
        try:
            values = read_canonical(document, limit_bytes=ENTRY_LIMIT_BYTES)
            outer = _EntryFormat.model_validate(values)
        except (UnreadableDocumentError, ValidationError) as error:
            raise LogEntryError("An entry of the log cannot be read.") from error
        return cls(at=outer.at, draft=EntryDraft(kind=outer.kind, key=outer.key, body=outer.body))


def key_in(document: bytes) -> str:
    """Return the key of an entry that the log holds already, without reading the rest.

    In canonical form only `kind`, which holds no such text, follows the key, and a quote inside a text is
    escaped: the last one found is the key.
    """
    start = document.rfind(_KEY_FIELD) + len(_KEY_FIELD)
    return document[start : document.find(b'"', start)].decode("ascii", errors="replace")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _EntryFormat(_Strict):
    format_version: int = Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)
    kind: EntryKind = Field(strict=False)
    at: int = Field(ge=0, lt=_LATEST_SECONDS)
    key: str
    body: dict[str, JsonValue]


class _Opening(_Strict):
    origin: str = Field(pattern=r"^[a-z0-9./-]{1,128}$")
    role: Literal["coordinator", "store"]
    coop_id: _Id
    member_id: _Id | None
    public_key: _Sha256  # 32 bytes in hex, as a hash has


class _Round(_Strict):
    run: Literal["training", "matching"] | None
    programme_id: _Id | None
    round: _Count
    phase: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{0,64}$")]
    step: Literal["begun", "opened", "announced", "closed", "finished", "failed", "sent", "refused"]
    what: _Code | None = None
    document_sha256: _Sha256 | None = None
    state_sha256: _Sha256 | None = None
    contributors: _Count | None = None
    day: _Count | None = None


class _Release(_Strict):
    step: Literal["published", "in_use", "put_back"]
    number: _Count
    manifest_sha256: _Sha256
    model_sha256: _Sha256 | None = None
    programme_id: _Id | None = None


class _Spend(_Strict):
    event: Literal["spend", "reply", "agreement", "restoration"]
    sequence: _Count
    chain: _Sha256
    programme_id: _Id | None = None
    phase: _Count | None = None
    request_sha256: _Sha256 | None = None
    day: Annotated[int, Field(ge=-(2**31), le=2**31)] | None = None
    noise_multiplier: float | int | None = None
    sampling_rate: float | int | None = None


class _ConsentRoot(_Strict):
    position: _Count
    root: _Sha256
    changes: _Count | None = None


class _Attestation(_Strict):
    programme_id: _Id
    round: _Count
    attestation_sha256: _Sha256


class _Override(_Strict):
    programme_id: _Id
    document_sha256: _Sha256


class _Membership(_Strict):
    step: Literal["joined", "left", "vouched", "withdrew"]
    member_id: _Id
    subject_id: _Id | None = None
    keys_sha256: _Sha256 | None = None
    document_sha256: _Sha256 | None = None


class _Erasure(_Strict):
    commitment: _Sha256


class _Witness(_Strict):
    step: Literal["began", "began_anew", "conflict", "witness_lost"]
    origin: str = Field(pattern=r"^[a-z0-9./-]{1,128}$")
    size: _Count
    root: _Sha256 | None


class _Verdict(_Strict):
    programme_id: _Id
    verdict: Literal["pass", "fail", "undetermined"]
    document_sha256: _Sha256


_BODIES: Mapping[EntryKind, type[_Strict]] = {
    EntryKind.OPENING: _Opening,
    EntryKind.ROUND: _Round,
    EntryKind.RELEASE: _Release,
    EntryKind.SPEND: _Spend,
    EntryKind.CONSENT_ROOT: _ConsentRoot,
    EntryKind.ATTESTATION: _Attestation,
    EntryKind.OVERRIDE: _Override,
    EntryKind.MEMBERSHIP: _Membership,
    EntryKind.ERASURE: _Erasure,
    EntryKind.WITNESS: _Witness,
    EntryKind.VERDICT: _Verdict,
}


def _check_body(kind: EntryKind, body: Mapping[str, Json]) -> None:
    try:
        _BODIES[kind].model_validate(dict(body))
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise LogEntryError(f"The body of a {kind.value} entry is not of its form: {place}.") from error
    if kind is EntryKind.OPENING:
        _check_opening(_Opening.model_validate(dict(body)))


def _check_opening(body: _Opening) -> None:
    """Refuse a log that is called otherwise than its owner: its signatures would be under another's name."""
    is_store = body.role == "store"
    if is_store != (body.member_id is not None):
        raise LogEntryError("An opening names a member where the log is a store's, and only there.")
    try:
        own = (
            store_origin(body.coop_id, str(body.member_id)) if is_store else coordinator_origin(body.coop_id)
        )
    except SignedNoteError as error:
        raise LogEntryError("The ids of an opening are too long for the name of a log.") from error
    if body.origin != own:
        raise LogEntryError("The origin in an opening is not the one that its role and ids have.")
