"""The store's book of attestations: for each round, list and table one private file with what opens it."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from highstreet.audit.attestation import AttestedKind, AttestedUse, ConsentBasis
from highstreet.audit.cohort_commitment import CohortTree
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.errors import AttestationError
from highstreet.client.attested_names import AttestedName
from highstreet.client.attested_use import CommittedRound
from highstreet.client.errors import AttestationRecordError
from highstreet.client.home import StoreHome
from highstreet.files import make_private_folder, read_limited, write_private

__all__ = ["AttestationBook"]

_VERSION = 1
_LIMIT_BYTES = 1 << 30
#: Of matchings, as many as replies are kept of (`matching_papers`): what nobody can open any more goes.
_KEPT_MATCHINGS = 4
_SLOT_BYTES, _LEAF_BYTES = 4, 32
_HASHES = ("cohort", "consent", "policy_sha256")


class AttestationBook:
    """What opens this store's attestations, as long as the membership lasts."""

    def __init__(self, home: StoreHome) -> None:
        self._folder = home.attestations

    def keep(self, made: CommittedRound) -> None:
        """Keep what opens an attestation, durably; in the place of what was computed before and never sent.

        Raises:
            FileAccessError: it cannot be written; the contribution must not be kept then.
        """
        make_private_folder(self._folder)
        leaves = b"".join(
            slot.to_bytes(_SLOT_BYTES, "big") + leaf for slot, leaf in sorted(made.tree.leaves.items())
        )
        plain = {
            "version": _VERSION,
            "kind": made.name.kind.value,
            "programme_id": made.name.programme_id,
            "round": made.name.round,
            "request_sha256": made.request_sha256.hex(),
            "use": {
                name: value.hex() if isinstance(value, bytes) else value
                for name, value in asdict(made.use).items()
            },
            "basis": made.basis.to_dict(),
            "consent_salt": made.consent_salt.hex(),
            "policy": dict(made.policy),
            "pad_key": made.tree.pad_key.hex(),
            "leaves": base64.b64encode(leaves).decode(),
        }
        path = self._folder / made.name.file_name
        if made.name.kind is not AttestedKind.TRAINING:
            self._make_room(path)
        write_private(path, json.dumps(plain).encode())

    def _make_room(self, path: Path) -> None:
        """Drop the oldest of a matching's kind: whoever asks for matchings without end fills no disk."""
        _, _, part = path.name.rpartition("-")
        others = [each for each in self._folder.glob(f"*-{part}") if each != path]
        others.sort(key=lambda each: each.stat().st_mtime)
        for each in others[: max(0, len(others) - _KEPT_MATCHINGS + 1)]:
            each.unlink(missing_ok=True)

    def names(self) -> list[AttestedName]:
        """Return what is kept, in the order of names."""
        found = [AttestedName.from_file_name(path.name) for path in self._folder.glob("*.json")]
        return sorted(name for name in found if name is not None)

    def find(self, name: AttestedName) -> CommittedRound:
        """Return what opens an attestation.

        Raises:
            AttestationRecordError: there is none, or it cannot be read.
        """
        path = self._folder / name.file_name
        if not path.is_file():
            known = ", ".join(str(each) for each in self.names()) or "none"
            raise AttestationRecordError(
                f"This shop keeps no attestation of {name}.", next_step=f"What it keeps: {known}."
            )
        try:
            return _read(json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES)))
        except (ValueError, KeyError, TypeError, AttestationError) as error:
            raise AttestationRecordError(
                f"{path.name} cannot be read.", next_step="Put it back from a copy of the shop's folder."
            ) from error


def _read(plain: dict[str, Any]) -> CommittedRound:
    if plain["version"] != _VERSION:
        raise ValueError("another version")
    use: dict[str, Any] = {
        name: bytes.fromhex(value) if name in _HASHES else value for name, value in plain["use"].items()
    }
    basis, packed = plain["basis"], base64.b64decode(plain["leaves"], validate=True)
    step = _SLOT_BYTES + _LEAF_BYTES
    if len(packed) % step:
        raise ValueError("half a leaf")
    leaves = {
        int.from_bytes(packed[at : at + _SLOT_BYTES], "big"): packed[at + _SLOT_BYTES : at + step]
        for at in range(0, len(packed), step)
    }
    return CommittedRound(
        name=AttestedName(
            programme_id=plain["programme_id"], kind=AttestedKind(plain["kind"]), round=plain["round"]
        ),
        request_sha256=bytes.fromhex(plain["request_sha256"]),
        use=AttestedUse(**use),
        basis=ConsentBasis(
            position=basis["position"],
            root=bytes.fromhex(basis["root"]),
            changes=basis["changes"],
            time=ConsentTime(
                now=basis["now"], tolerance=basis["tolerance"], longest_validity=basis["longest_validity"]
            ),
        ),
        consent_salt=bytes.fromhex(plain["consent_salt"]),
        policy=plain["policy"],
        tree=CohortTree(bytes.fromhex(plain["pad_key"]), leaves),
    )
