"""The rule of a witness: it cosigns a checkpoint only of a log that grew from the last one it cosigned.

Who sees one log under two histories is not fooled, but cannot show it to others; a witness that signs what it
saw can. So it never signs a smaller tree after a larger one, nor two heads for one size. Two checkpoints of
one log that break this, both signed by the log's key, prove that its owner wrote history anew.

Source: C2SP tlog-witness, https://c2sp.org/tlog-witness; what is kept and when: `audit.witness_book`.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from highstreet.audit.checkpoints import Checkpoint
from highstreet.audit.errors import MerkleProofError, WitnessConflictError
from highstreet.audit.merkle import verify_consistency

__all__ = ["PROOF_LIMIT", "GrownLog", "check_growth"]

#: A proof between two trees of up to 2^53 leaves has at most so many hashes.
PROOF_LIMIT = 108

_KEEP = (
    "Keep both checkpoints and show them to the other members: the log's own key signed both. "
    "`highstreet audit verify` shows where they part."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownLog:
    """A checkpoint that may be cosigned.

    Attributes:
        checkpoint: of the log as it is now.
        is_new: whether it is larger than the one cosigned last.
    """

    checkpoint: Checkpoint
    is_new: bool


def check_growth(seen: Checkpoint | None, shown: Checkpoint, proof: Sequence[bytes]) -> GrownLog:
    """Return what may be cosigned, when the log shown is the one seen, grown or the same.

    Args:
        seen: the checkpoint cosigned last; None where none ever was: the first is taken as it is.
        shown: the new one; the log's signature was checked.
        proof: that it grew from the one seen.

    Raises:
        WitnessConflictError: it is smaller, another of the same size, or has not grown from the one seen.
    """
    if seen is None:
        return GrownLog(checkpoint=shown, is_new=True)
    if shown.origin != seen.origin:
        raise WitnessConflictError("A checkpoint of another log was shown.")
    if shown.size < seen.size:
        raise WitnessConflictError(
            f"The log {seen.origin} shows {shown.size} entries; it had {seen.size} before.", next_step=_KEEP
        )
    if shown.size == seen.size:
        if not hmac.compare_digest(shown.root, seen.root):
            raise WitnessConflictError(
                f"The log {seen.origin} shows other entries than before, at the same size of {seen.size}.",
                next_step=_KEEP,
            )
        return GrownLog(checkpoint=seen, is_new=False)
    try:
        verify_consistency(
            first=seen.size,
            first_root=seen.root,
            second=shown.size,
            second_root=shown.root,
            proof=tuple(proof)[: PROOF_LIMIT + 1],
        )
    except MerkleProofError as error:
        raise WitnessConflictError(
            f"The log {seen.origin} of {shown.size} entries does not begin with the {seen.size} it had.",
            next_step=_KEEP,
        ) from error
    return GrownLog(checkpoint=shown, is_new=True)
