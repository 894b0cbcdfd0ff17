"""Errors of the `audit` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = [
    "AttestationError",
    "AuditError",
    "BiasGateError",
    "CharterError",
    "CharterExceedsLimitsError",
    "CharterNotRunnableError",
    "CodeFormError",
    "ConsentLogRewoundError",
    "EpsilonClaimError",
    "InconsistentConsentLogError",
    "InvalidInviteError",
    "LogBusyError",
    "LogConflictError",
    "LogDamagedError",
    "LogDownloadError",
    "LogEntryError",
    "LogError",
    "LogRewoundError",
    "LogUncheckedError",
    "ManifestError",
    "MerkleProofError",
    "OverrideError",
    "ReceiptError",
    "RosterError",
    "SignalError",
    "SignatureMismatchError",
    "SignedNoteError",
    "StatementError",
    "UnknownChannelError",
    "UnknownPurposeError",
    "UnreadableDocumentError",
    "VouchingError",
    "WitnessConflictError",
    "WitnessRecordError",
]


class AuditError(HighstreetError):
    """Root of the errors raised in `audit`."""


class UnreadableDocumentError(AuditError):
    """Bytes that should be a canonical document are not one."""


class SignatureMismatchError(AuditError):
    """A signature does not belong to this document, kind and key."""


class CharterError(AuditError):
    """A charter cannot be read or contradicts itself."""


class EpsilonClaimError(CharterError):
    """A charter claims a smaller privacy loss than its own phases cost."""


class CharterExceedsLimitsError(AuditError):
    """A charter asks for more than a store allows."""


class CharterNotRunnableError(AuditError):
    """A charter plans a model that this version does not know or cannot compute."""


class ManifestError(AuditError):
    """A release's manifest cannot be read or contradicts the charter."""


class BiasGateError(AuditError):
    """A release breaks a rule on bias, leaves it open, or says something else about it than its figures."""


class OverrideError(AuditError):
    """An override of the bias gate cannot be read, is about something else, or too few signed it."""


class RosterError(AuditError):
    """A roster cannot be read, or names two members that cannot be told apart."""


class VouchingError(AuditError):
    """A step of an exchange of codes does not fit what came before it."""


class CodeFormError(AuditError):
    """What was typed is not a code of six digits."""


class InvalidInviteError(AuditError):
    """An invitation code is mistyped, cut short or of another version."""


class InconsistentConsentLogError(AuditError):
    """The consent log has a gap or an entry nobody can read: nobody's consent can be relied on."""


class ConsentLogRewoundError(InconsistentConsentLogError):
    """The consent log is older than what was known of it, or another one: withdrawals may be lost."""


class UnknownChannelError(AuditError):
    """A channel that nobody defined."""


class UnknownPurposeError(AuditError):
    """A purpose that customers cannot agree to, because nobody defined it."""


class MerkleProofError(AuditError):
    """A proof does not show what it should show of a Merkle tree."""


class SignedNoteError(AuditError):
    """Bytes that should be a signed note, a checkpoint or a verifier key are not one, or not signed so."""


class LogError(AuditError):
    """Root of the errors of the log: it cannot be used, so nothing that has to be in it may be done."""


class LogEntryError(LogError):
    """An entry of the log cannot be read, or holds what entries of its kind do not have."""


class LogDamagedError(LogError):
    """The log's files are not what was written: edited, cut short, swapped or of another log."""


class LogRewoundError(LogDamagedError):
    """The log is older than what is known of it."""


class LogConflictError(LogError):
    """Another entry stands in the log under a key that is used once."""


class LogDownloadError(LogError):
    """A log cannot be got hold of."""


class LogUncheckedError(LogError):
    """A log could not be looked at, so that nothing is known of it."""

    exit_status = 2


class LogBusyError(LogError):
    """Another process goes on writing the log."""


class WitnessRecordError(AuditError):
    """What a witness remembers of a log cannot be read."""


class WitnessConflictError(AuditError):
    """A checkpoint contradicts one that a witness has seen: the log was rewound or forked."""


class ReceiptError(AuditError):
    """A document is not a receipt, or a receipt says what none can say."""


class SignalError(AuditError):
    """A consent signal says what no signal can say."""


class ReleasedNoiseError(AuditError):
    """A release says that other noise is in what it released than its charter puts there."""


class StatementError(AuditError):
    """A statement about a release, or what it is made from, cannot be read or contradicts itself."""


class AttestationError(AuditError):
    """An attestation, its opening or a proof from it is not what it has to be."""
