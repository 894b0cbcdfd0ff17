"""Errors of the `client` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError
from highstreet.protos.rounds_pb2 import RefusalCode

__all__ = [
    "AlreadyJoinedError",
    "AnswerRefusedError",
    "AttestationRecordError",
    "ClientError",
    "ClockSetBackError",
    "CohortExpiredError",
    "CoopRefusedError",
    "CoopUnreachableError",
    "CorrectionRefusedError",
    "ErasureIncompleteError",
    "ErasureOpeningsError",
    "ErasureRegisterError",
    "FileNotUnderstoodError",
    "ForgedCohortError",
    "ImportBusyError",
    "LedgerBusyError",
    "LedgerError",
    "LedgerFullError",
    "LedgerRewoundError",
    "LedgerTooNewError",
    "LedgerUnreadableError",
    "MatchingContradictedError",
    "MatchingOverError",
    "MatchingStateError",
    "MatchingTooSoonError",
    "NotAMemberError",
    "NotJoinedError",
    "NothingToEvaluateError",
    "NoticeChangedError",
    "PersonCountsError",
    "PinnedKeyChangedError",
    "ReleaseNotWitnessedError",
    "ReleaseRefusedError",
    "RosterRefusedError",
    "RoundRefusedError",
    "RoundRepeatedError",
    "SameNameError",
    "StoreConfigError",
    "StoreExistsError",
    "StoreHomeError",
    "StoreStoppingError",
    "TooManyProblemsError",
    "UnknownCustomerError",
    "UnknownLanguageError",
    "UnknownNoticeError",
    "UntrustedCoordinatorError",
    "VaultBusyError",
    "VaultError",
    "VaultFullError",
    "VaultRewoundError",
    "VaultTooNewError",
    "VaultUnreadableError",
    "VouchRefusedError",
    "WebhookRefusedError",
    "WrongCodeError",
    "WrongPurposeError",
]


class ClientError(HighstreetError):
    """Root of the errors raised in `client`."""


class StoreHomeError(ClientError):
    """The store's folder cannot be used for what is needed of it."""


class StoreStoppingError(ClientError):
    """The store stops; what was under way is asked for again."""


class VaultError(ClientError):
    """Root of what can be wrong with the shop's database."""


class VaultUnreadableError(VaultError):
    """The database is damaged, or is not a vault."""


class VaultTooNewError(VaultError):
    """A newer version of Highstreet wrote the database."""


class VaultFullError(VaultError):
    """There is no room left on the disk; nothing was changed."""


class VaultRewoundError(VaultError):
    """The database is an older copy: persons who were erased are in it."""


class VaultBusyError(VaultError):
    """Another process is writing to the database."""


class UnknownCustomerError(ClientError):
    """No customer has the given name or number."""


class UnknownLanguageError(ClientError):
    """There are no words of a language."""


class ClockSetBackError(ClientError):
    """The computer's clock is before an earlier answer of the same customer: a yes cannot be dated."""


class AnswerRefusedError(ClientError):
    """What is said of a customer's answer cannot be shown on a receipt; nothing was written."""


class UnknownNoticeError(ClientError):
    """A notice that this shop never wrote down was named as what a customer was shown."""


class NoticeChangedError(ClientError):
    """Another text was given for a version and language of a notice that there is already."""


class ForgedCohortError(ClientError):
    """Something that the consent desk did not make was given as its word."""


class CohortExpiredError(ClientError):
    """A cohort was used long after it was made."""


class WrongPurposeError(ClientError):
    """A cohort of customers who agreed to something else, or on another channel, was given."""


class CorrectionRefusedError(ClientError):
    """A correction contradicts what is on record of others, or says nothing; nothing was changed."""


class ErasureIncompleteError(ClientError):
    """Something of a person who was erased may be left in the store's folder; no certificate was made."""


class ErasureOpeningsError(ClientError):
    """What opens the log's entries about erasures is damaged, or holds nothing of what was asked for."""


class ErasureRegisterError(ClientError):
    """The register of erasures cannot be relied on, so nobody knows who must not come back."""


class WebhookRefusedError(ClientError):
    """A call of a shop system was not signed with the shop's secret, or cannot be read; nothing was done.

    Attributes:
        status: what to answer the caller by, as in HTTP.
    """

    def __init__(self, what: str, *, status: int, next_step: str = "") -> None:
        super().__init__(what, next_step=next_step)
        self.status = status


class FileNotUnderstoodError(ClientError):
    """A file to import cannot be read, or is not of a kind that is known; nothing was changed."""


class TooManyProblemsError(ClientError):
    """So many lines of a file cannot be read that the file as a whole is refused; nothing was changed."""


class ImportBusyError(ClientError):
    """Another import into this shop is under way."""


class LedgerError(ClientError):
    """Root of what can be wrong with the budget ledger; nothing is sent while it is."""


class LedgerUnreadableError(LedgerError):
    """The ledger is damaged or was changed by other hands."""


class LedgerRewoundError(LedgerError):
    """The ledger is missing, or older than what this store knows it has spent."""


class LedgerTooNewError(LedgerError):
    """A newer version of Highstreet wrote the ledger."""


class RestoredError(ClientError):
    """The folder was put back from a backup, and what was spent before may still count; nothing was spent."""


class LedgerFullError(LedgerError):
    """There is no room left on the disk; nothing was spent and nothing sent."""


class LedgerBusyError(LedgerError):
    """Another process is writing to the ledger."""


class RoundRepeatedError(ClientError):
    """A phase of a programme was asked for again with another request; only the first is ever answered."""


class RoundRefusedError(ClientError):
    """This store does not take part in a round.

    Attributes:
        code: a `protos.rounds_pb2.RefusalCode`; all that the coordinator learns.
    """

    code: RefusalCode

    def __init__(self, code: RefusalCode, reason: str) -> None:
        super().__init__(f"This store does not take part in the round: {reason}.")
        self.code = code


class AlreadyJoinedError(ClientError):
    """This store is a member of a co-op already."""


class CoopRefusedError(ClientError):
    """The coordinator refused a call; nothing was changed here."""


class NotAMemberError(CoopRefusedError):
    """The co-op does not count this store as a member any more."""


class CoopUnreachableError(ClientError):
    """The coordinator cannot be reached, or not securely."""


class NotJoinedError(ClientError):
    """This store is in no co-op."""


class RosterRefusedError(ClientError):
    """A roster is not one that this store may use; the one it has stays."""


class PinnedKeyChangedError(RosterRefusedError):
    """A roster changes the key of a member that this store has counted."""


class VouchRefusedError(ClientError):
    """This store does not begin, or go on with, comparing codes with a member; nothing was signed."""


class SameNameError(VouchRefusedError):
    """A shop of this name counted here before; its owner has not said whether it is the same shop."""


class WrongCodeError(VouchRefusedError):
    """The code that was typed is not the one of this exchange; nothing was signed."""


class ReleaseRefusedError(ClientError):
    """A release failed a check; the one in use stays."""


class ReleaseNotWitnessedError(ReleaseRefusedError):
    """Too few members have confirmed yet that a release is in the log which everybody sees; it waits."""


class StoreConfigError(ClientError):
    """store.toml cannot be used."""


class StoreExistsError(ClientError):
    """The folder holds a store already."""


class UntrustedCoordinatorError(ClientError):
    """Who answers is not the coordinator the invitation names."""


class MatchingStateError(ClientError):
    """Root of what can be wrong with the records of private matchings; nothing is sent while it is."""


class MatchingTooSoonError(MatchingStateError):
    """There was another matching in this period, or one is under way."""


class MatchingOverError(MatchingStateError):
    """The secrets of this matching were destroyed; it is never taken up again."""


class MatchingContradictedError(MatchingStateError):
    """Something else than what is on record was asked for under the same matching."""


class PersonCountsError(ClientError):
    """The kept counts of a matching cannot be used, or are not to be changed like that."""


class NothingToEvaluateError(ClientError):
    """The weeks held back hold nothing to measure suggestions by."""


class AttestationRecordError(ClientError):
    """What opens an attestation is not there, cannot be read, or does not hold the person asked about."""
