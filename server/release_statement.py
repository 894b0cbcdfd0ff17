"""The coordinator's statement about a release it published."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from highstreet.audit.audit_results import AuditResults
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.statement import Maker, Statement
from highstreet.audit.statement_files import statement_files
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.releases import signed_manifest

__all__ = ["make_statement"]


def make_statement(
    home: CoopHome, number: int | None, *, audit: AuditResults | None, now: datetime
) -> dict[str, bytes]:
    """Return the files of a statement about one release, the newest when None: name -> bytes.

    Raises:
        NoReleaseError: there is no such release.
        AuditError: release and charter do not belong together.
    """
    key = home.coordinator_key()
    with closing(connect(home.database)) as connection:
        manifest = signed_manifest(connection, number)
    statement = Statement(
        made_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        maker=Maker.COORDINATOR,
        maker_key=public_key_bytes(key),
        coordinator_key=public_key_bytes(key),
        charter=home.signed_charter(),
        manifest=manifest,
        audit=audit,
    )
    return statement_files(statement, key)
