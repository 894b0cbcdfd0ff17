"""`highstreet coop statement` and `records-of-processing`: for a file on data protection."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from highstreet.audit.cli_reports import AuditOption, OutOption, put_records, put_statement, read_audit
from highstreet.server.cli_options import HomeOption, open_home

__all__ = ["records_of_processing", "statement"]


def statement(
    ctx: typer.Context,
    number: Annotated[int | None, typer.Argument(help="Of the release [default: the newest].")] = None,
    out: OutOption = Path(),
    audit: AuditOption = None,
    home: HomeOption = None,
) -> None:
    """Make a signed statement about a release: privacy, fairness, and what is not promised.

    A page to read, and a file to check with `highstreet audit statement`.
    """
    from highstreet.server.release_statement import make_statement

    files = make_statement(open_home(ctx, home), number, audit=read_audit(audit), now=datetime.now(UTC))
    put_statement(files, out)


def records_of_processing(
    ctx: typer.Context,
    out: OutOption = Path(),
    home: HomeOption = None,
) -> None:
    """Make the coordinator's records of processing (GDPR, Article 30) from what is really set and found here.

    What only you can know is marked as a blank.
    """
    from highstreet.server.processing_records import gather_records

    records = gather_records(open_home(ctx, home), now=datetime.now(UTC))
    put_records(records, out)
