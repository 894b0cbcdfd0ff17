"""`highstreet store statement` and `records-of-processing`: for a file on data protection."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home, with_customers

__all__ = ["records_of_processing", "statement"]

_OutOption = Annotated[
    Path, typer.Option("--out", help="Folder to put it into; made, private to you, where it does not exist.")
]


def statement(
    ctx: typer.Context,
    out: _OutOption = Path(),
    audit: Annotated[
        Path | None, typer.Option("--audit", help="audit.json of `highstreet lab audit`, to be shown in it.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Make a signed statement about the release in use: privacy, fairness, and what is not promised.

    A page to read, and a file to check with `highstreet audit statement`.
    """
    from highstreet.audit.audit_results import AUDIT_LIMIT_BYTES, AuditResults
    from highstreet.client.release_statement import make_statement
    from highstreet.files import read_limited, write_private_files

    results = None
    if audit is not None:
        results = AuditResults.from_file_bytes(read_limited(audit, limit_bytes=AUDIT_LIMIT_BYTES))
    files = make_statement(store_home(ctx, home), audit=results, now=datetime.now(UTC))
    signed, page = write_private_files(out, files)
    typer.echo(f"To read: {page}")
    typer.echo(f"To check: highstreet audit statement {signed}")


def records_of_processing(
    ctx: typer.Context,
    out: _OutOption = Path(),
    home: HomeOption = None,
) -> None:
    """Make the shop's records of processing (GDPR, Article 30) from what is really set and found here.

    What only you can know is marked as a blank.
    """
    from highstreet.audit.report_pages.records_page import records_files
    from highstreet.client.processing_records import gather_records
    from highstreet.files import write_private_files

    records = gather_records(with_customers(store_home(ctx, home)), now=datetime.now(UTC))
    plain, page = write_private_files(out, records_files(records))
    typer.echo(f"To read: {page}")
    typer.echo(f"For programs: {plain}")
    typer.echo(f"{len(records.blanks)} things in it are for you to say; they are marked as blanks.")
