"""`highstreet audit statement`: says whether a statement about a release follows from what was signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.statement import Statement

__all__ = ["statement"]

_LIMIT_BYTES = 4 << 20


def statement(
    file: Annotated[Path, typer.Argument(help="The statement: the file ending in .json.")],
    key: Annotated[
        str,
        typer.Option("--key", help="The coordinator's public key as members know it, 64 hexadecimal digits."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="What it says, once it is checked.")] = False,
) -> None:
    """Check a statement about a release: its signatures, and that all in it follows from what was signed."""
    from highstreet.audit.errors import StatementError
    from highstreet.audit.signing import SignedDocument
    from highstreet.audit.statement import read_statement

    try:
        coordinator_key = bytes.fromhex(key.strip()) if key else None
    except ValueError as error:
        raise typer.BadParameter("A key is 64 hexadecimal digits.", param_hint="--key") from error
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= _LIMIT_BYTES else b""
    except OSError as error:
        raise StatementError(
            f"{file.name} cannot be read.", next_step="Check that the file is there and that you may read it."
        ) from error
    found = read_statement(SignedDocument.from_file_bytes(data))
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
