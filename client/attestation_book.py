"""The store's book of attestations: for each round one private file with what opens it."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any

from highstreet.audit.attestation import AttestedUse, ConsentBasis
from highstreet.audit.cohort_commitment import CohortTree
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.errors import AttestationError
from highstreet.client.attested_use import CommittedRound
from highstreet.client.errors import AttestationRecordError
from highstreet.client.home import StoreHome
from highstreet.files import make_private_folder, read_limited, write_private

__all__ = ["AttestationBook"]

_VERSION = 1
_LIMIT_BYTES = 1 << 30
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
            "programme_id": made.programme_id,
            "round": made.round,
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
        path = self._folder / _name(made.programme_id, made.round)
        write_private(path, json.dumps(plain).encode())

    def rounds(self) -> list[tuple[str, int]]:
        """Return programme and number of every round that is kept, in the order of names."""
        found = [path.stem.rpartition("-") for path in self._folder.glob("*-*.json")]
        return sorted((programme, int(number)) for programme, _, number in found if number.isdigit())

    def find(self, programme_id: str, round_number: int) -> CommittedRound:
        """Return what opens the attestation of a round.

        Raises:
            AttestationRecordError: there is none, or it cannot be read.
        """
        path = self._folder / _name(programme_id, round_number)
        if (programme_id, round_number) not in self.rounds():
            known = ", ".join(f"{programme}/{number}" for programme, number in self.rounds()) or "none"
            raise AttestationRecordError(
                "This shop keeps no attestation of that round.", next_step=f"Rounds that it keeps: {known}."
            )
        try:
            return _read(json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES)))
        except (ValueError, KeyError, TypeError, AttestationError) as error:
            raise AttestationRecordError(
                f"{path.name} cannot be read.", next_step="Put it back from a copy of the shop's folder."
            ) from error


def _name(programme_id: str, round_number: int) -> str:
    return f"{programme_id}-{round_number}.json"


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
        programme_id=plain["programme_id"],
        round=plain["round"],
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
