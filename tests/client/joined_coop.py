"""Who is a member of a co-op, and whether an invitation was used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from highstreet.audit.invite import Invite
from highstreet.server.database import connect
from highstreet.server.membership import current_members


def moment_now() -> datetime:
    return datetime.now(UTC)


def members_of(coop: Any) -> list[str]:
    connection = connect(coop.home.database)
    try:
        return [member.name for member in current_members(connection)]
    finally:
        connection.close()


def is_invite_used(coop: Any, code: str) -> bool:
    connection = connect(coop.home.database)
    try:
        row = connection.execute(
            "SELECT used_at FROM invites WHERE invite_id = ?", (Invite.from_code(code).invite_id,)
        ).fetchone()
        return row is not None and row["used_at"] is not None
    finally:
        connection.close()
