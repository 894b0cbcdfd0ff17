"""`highstreet store statement` and `records-of-processing`: for a file on data protection."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer

from highstreet.audit.cli_reports import AuditOption, OutOption, put_records, put_statement, read_audit
from highstreet.client.cli_options import HomeOption, store_home, with_customers

__all__ = ["records_of_processing", "statement"]


def statement(
    ctx: typer.Context,
    out: OutOption = Path(),
    audit: AuditOption = None,
    home: HomeOption = None,
) -> None:
    """Make a signed statement about the release in use: privacy, fairness, and what is not promised.

    A page to read, and a file to check with `highstreet audit statement`.
    """
    from highstreet.client.release_statement import make_statement

    files = make_statement(store_home(ctx, home), audit=read_audit(audit), now=datetime.now(UTC))
    put_statement(files, out)


def records_of_processing(
    ctx: typer.Context,
    out: OutOption = Path(),
    home: HomeOption = None,
) -> None:
    """Make the shop's records of processing (GDPR, Article 30) from what is really set and found here.

    What only you can know is marked as a blank.
    """
    from highstreet.client.processing_records import gather_records

    records = gather_records(with_customers(store_home(ctx, home)), now=datetime.now(UTC))
    put_records(records, out)
