"""The two files of a statement: the signed one that counts, and a page to read."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.report_pages.statement_page import statement_page
from highstreet.audit.statement import Statement

__all__ = ["statement_files"]


def statement_files(statement: Statement, key: Ed25519PrivateKey) -> dict[str, bytes]:
    """Return file name -> bytes, the signed file first.

    Raises:
        StatementError: the key is not the maker's, or the statement is too large to be signed.
    """
    name = f"statement-{statement.number}"
    signed = statement.signed(key).to_file_bytes()
    page = statement_page(statement, file_name=f"{name}.json")
    return {f"{name}.json": signed, f"{name}.html": page.encode()}
