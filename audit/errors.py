"""Errors of the `audit` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = [
    "AuditError",
    "CharterError",
    "CharterExceedsLimitsError",
    "CharterNotRunnableError",
    "CodeFormError",
    "ConsentLogRewoundError",
    "EpsilonClaimError",
    "InconsistentConsentLogError",
    "InvalidInviteError",
    "ManifestError",
    "RosterError",
    "SignatureMismatchError",
    "UnknownChannelError",
    "UnknownPurposeError",
    "UnreadableDocumentError",
    "VouchingError",
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
