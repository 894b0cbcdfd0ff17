"""`highstreet audit statement`: says whether a statement about a release follows from what was signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.audit.cli_keys import KeyOption, read_key
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.statement import Statement

__all__ = ["statement"]

_LIMIT_BYTES = 4 << 20


def statement(
    file: Annotated[Path, typer.Argument(help="The statement: the file ending in .json.")],
    key: KeyOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="What it says, once it is checked.")] = False,
) -> None:
    """Check a statement about a release: its signatures, and that all in it follows from what was signed.

    It needs nothing but the file. The key is the coordinator's, as the co-op's members know it.
    """
    from highstreet.audit.errors import StatementError
    from highstreet.audit.signing import SignedDocument
    from highstreet.audit.statement import read_statement
    from highstreet.files import read_limited

    coordinator_key = read_key(key)
    found = read_statement(SignedDocument.from_file_bytes(read_limited(file, limit_bytes=_LIMIT_BYTES)))
    if coordinator_key is not None and found.coordinator_key != coordinator_key:
        raise StatementError(
            "The statement is of another coordinator than the one whose key was given.",
            next_step="Ask whoever gave it to you which co-op it is of.",
        )
    if as_json:
        typer.echo(json.dumps(found.says(), ensure_ascii=False))
        return
    for line in _in_words(found, is_known_key=coordinator_key is not None):
        typer.echo(printable(line))


def _in_words(found: Statement, *, is_known_key: bool) -> list[str]:
    from highstreet.audit.bias_words import bias_in_words
    from highstreet.audit.manifest import Manifest

    manifest = Manifest.from_document(found.manifest.document)
    lines = [
        f"Release {manifest.number}, stated on {found.made_at[:10]} by the {found.maker.value} with the key "
        f"{found.maker_key.hex()}.",
        "All it says follows from the charter and the manifest in it, which the coordinator signed.",
        *(str(claim) for claim in (manifest.claims.customer, manifest.claims.person)),
        *bias_in_words(manifest.bias),
    ]
    if found.audit is not None:
        lines.append(f"It shows results of audits of the code at commit {found.audit.commit}.")
    if not is_known_key:
        lines.append(
            f"The coordinator's key in it is {found.coordinator_key.hex()}: compare it with the one members "
            "know, or give that with --key. A statement alone cannot tell whose key it is."
        )
    return lines
