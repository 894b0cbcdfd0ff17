"""The shop's own statement about the release in use, made from what it verified itself."""

from __future__ import annotations

from datetime import UTC, datetime

from highstreet.audit.audit_results import AuditResults
from highstreet.audit.statement import Maker, Statement
from highstreet.audit.statement_files import statement_files
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.membership import load_charter, load_membership, read_signed
from highstreet.client.releases import active_signed

__all__ = ["make_statement"]


def make_statement(home: StoreHome, *, audit: AuditResults | None, now: datetime) -> dict[str, bytes]:
    """Return the files of a statement: name -> bytes.

    Signature, model and figures on bias of the release are checked again first.

    Raises:
        NotJoinedError: the store is in no co-op.
        ReleaseRefusedError: no release is in use, or it is not what was accepted.
        AuditError: the charter is not the one agreed to, or release and charter do not belong together.
    """
    membership, identity = load_membership(home), load_identity(home)
    load_charter(home)  # that it is the one this store agreed to
    manifest = active_signed(home)
    if manifest is None:
        raise ReleaseRefusedError(
            "No release of the co-op is in use here, so there is nothing to state.",
            next_step="Wait for one; `highstreet store run` fetches it.",
        )
    statement = Statement(
        made_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        maker=Maker.STORE,
        maker_key=identity.signing_public_key,
        coordinator_key=membership.coordinator_key,
        charter=read_signed(home, "charter.json"),
        manifest=manifest,
        audit=audit,
    )
    return statement_files(statement, identity.signing)
