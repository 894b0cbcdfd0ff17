"""Errors of the `server` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = [
    "CoopExistsError",
    "DatabaseError",
    "InviteRefusedError",
    "JoinRefusedError",
    "MembershipError",
    "NoCoopError",
    "NoReleaseError",
    "OddReplyError",
    "PortBusyError",
    "ProgrammeFailedError",
    "ProgrammeRefusedError",
    "PublishError",
    "ReleaseBlockedError",
    "ServerError",
    "SettingsError",
    "SuperLinkError",
    "VouchingRefusedError",
]


class ServerError(HighstreetError):
    """Root of the errors raised in `server`."""


class NoCoopError(ServerError):
    """The folder holds no co-op, or an unfinished one."""


class NoReleaseError(ServerError):
    """There is no release, or none of that number."""


class CoopExistsError(ServerError):
    """The folder holds a co-op already."""


class SettingsError(ServerError):
    """The coordinator's settings cannot be used."""


class DatabaseError(ServerError):
    """coop.db cannot be used."""


class InviteRefusedError(ServerError):
    """An invitation cannot be made."""


class JoinRefusedError(ServerError):
    """A store cannot join; what it is told is the refusal's name and nothing else."""

    refusal: int

    def __init__(self, refusal: int, what: str) -> None:
        super().__init__(what)
        self.refusal = refusal


class VouchingRefusedError(ServerError):
    """A vouching message or a vouch is not taken; the member is told the refusal's name and nothing else."""

    refusal: int

    def __init__(self, refusal: int, what: str) -> None:
        super().__init__(what)
        self.refusal = refusal


class MembershipError(ServerError):
    """A member is not known, or not one any more."""


class ProgrammeRefusedError(ServerError):
    """A programme cannot be requested now."""


class PublishError(ServerError):
    """A release cannot be published."""


class ReleaseBlockedError(PublishError):
    """A candidate does not keep the charter's rules on bias, or the noise leaves open whether it does."""


class PortBusyError(ServerError):
    """Another program listens on a port the coordinator needs."""


class SuperLinkError(ServerError):
    """Flower's SuperLink does not do what the coordinator asks of it."""


class OddReplyError(ServerError):
    """A store's reply does not fit the request; the store is left out, the round goes on.

    Attributes:
        reason: a word of ours for the log, never content of the reply.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"A reply does not fit its request ({reason}).")
        self.reason = reason


class ProgrammeFailedError(ServerError):
    """A programme cannot go on; `what` is kept in coop.db for `coop status`."""
