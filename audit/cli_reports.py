"""What `statement` and `records-of-processing` of a store and of a coordinator have in common.

Each writes a page to read and a file for programs, and says where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from highstreet.audit.audit_results import AuditResults
    from highstreet.audit.processing_records import ProcessingRecords

__all__ = ["AuditOption", "OutOption", "put_records", "put_statement", "read_audit"]

OutOption = Annotated[
    Path, typer.Option("--out", help="Folder to put it into; made, private to you, where it does not exist.")
]
AuditOption = Annotated[
    Path | None, typer.Option("--audit", help="audit.json of `highstreet lab audit`, to be shown in it.")
]


def read_audit(file: Path | None) -> AuditResults | None:
    """Return results of audits that a person named; None where they named none.

    Raises:
        FileAccessError, AuditError: they cannot be read.
    """
    from highstreet.audit.audit_results import AUDIT_LIMIT_BYTES, AuditResults
    from highstreet.files import read_limited

    if file is None:
        return None
    return AuditResults.from_file_bytes(read_limited(file, limit_bytes=AUDIT_LIMIT_BYTES))


def put_statement(files: Mapping[str, bytes], out: Path) -> None:
    """Write a signed statement and its page, and say where they are.

    Raises:
        FileAccessError: they cannot be written.
    """
    from highstreet.files import write_private_files

    signed, page = write_private_files(out, files)
    typer.echo(f"To read: {page}")
    typer.echo(f"To check: highstreet audit statement {signed}")


def put_records(records: ProcessingRecords, out: Path) -> None:
    """Write records of processing and their page, and say what is left to fill in.

    Raises:
        FileAccessError: they cannot be written.
    """
    from highstreet.audit.report_pages.records_page import records_files
    from highstreet.files import write_private_files

    plain, page = write_private_files(out, records_files(records))
    typer.echo(f"To read: {page}")
    typer.echo(f"For programs: {plain}")
    typer.echo(f"{len(records.blanks)} things in it are for you to say; they are marked as blanks.")
