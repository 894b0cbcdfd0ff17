"""`highstreet store statement`: what a shop hands to whoever keeps its file on data protection."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home

__all__ = ["OutOption", "statement"]

OutOption = Annotated[
    Path, typer.Option("--out", help="Folder to put it into; made, private to you, where it does not exist.")
]


def statement(
    ctx: typer.Context,
    out: OutOption = Path(),
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
