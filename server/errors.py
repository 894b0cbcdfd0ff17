"""Errors of the `server` room."""

from __future__ import annotations

from highstreet.errors import HighstreetError

__all__ = [
    "CoopExistsError",
    "DatabaseError",
    "InviteRefusedError",
    "MembershipError",
    "NoCoopError",
    "PortBusyError",
    "ProgrammeRefusedError",
    "PublishError",
    "ServerError",
    "SettingsError",
    "SuperLinkError",
]


class ServerError(HighstreetError):
    """Root of the errors raised in `server`."""


class NoCoopError(ServerError):
    """The folder holds no co-op, or an unfinished one."""


class CoopExistsError(ServerError):
    """The folder holds a co-op already."""


class SettingsError(ServerError):
    """The coordinator's settings cannot be used."""


class DatabaseError(ServerError):
    """coop.db cannot be used."""


class InviteRefusedError(ServerError):
    """An invitation cannot be made or used."""


class MembershipError(ServerError):
    """A member is not known, or not one any more."""


class ProgrammeRefusedError(ServerError):
    """A programme cannot be requested now."""


class PublishError(ServerError):
    """A release cannot be published."""


class PortBusyError(ServerError):
    """Another program listens on a port the coordinator needs."""


class SuperLinkError(ServerError):
    """Flower's SuperLink does not do what the coordinator asks of it."""
