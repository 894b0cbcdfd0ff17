"""`highstreet audit`: for who checks what others keep. It needs no store and no coordinator's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from highstreet.audit import cli_attestation, cli_receipt, cli_statement
from highstreet.audit.checkpoints import log_key, witness_key
from highstreet.audit.errors import LogDownloadError, LogEntryError, LogUncheckedError, SignedNoteError
from highstreet.audit.evidence import Evidence, Unusable
from highstreet.audit.log_download import LogAddress, download_log, read_evidence_file, read_log_folder
from highstreet.audit.log_entries import EntryKind, LogEntry
from highstreet.audit.signed_notes import NoteKey
from highstreet.audit.verifier import Finding, LogMaterial, LogVerdict, verify_log
from highstreet.command_groups import command_group
from highstreet.errors import HighstreetError
from highstreet.files import read_limited
from highstreet.printable import printable

__all__ = ["audit_app"]

_KEYS_LIMIT_BYTES = 1 << 20
_WITNESS_LIMIT_BYTES = 1 << 30
_PEM_LIMIT_BYTES = 64 << 10
#: No more are printed; their number is.
_UNUSABLE_SHOWN = 20

audit_app = command_group(
    "audit",
    "For whoever checks what others keep: logs, receipts, attestations, statements. Every command says what "
    "does not fit and needs nothing but the files; only `verify coop://...` asks a coordinator.",
)


@audit_app.callback()
def _audit() -> None:
    """Keep the commands below a group of their own."""


audit_app.command("receipt")(cli_receipt.receipt)
audit_app.command("statement")(cli_statement.statement)
audit_app.command("attestation")(cli_attestation.attestation)


@audit_app.command("verify")
def verify(
    log: Annotated[str, typer.Argument(help="A log's folder, a copy of it, or coop://HOST:PORT.")],
    witness: Annotated[
        list[Path] | None,
        typer.Option(help="A file with what a witness kept of this log; may be given again."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="A key of the log or of a witness, or a file of keys; may be given again."),
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="For coop://: the co-op's authority (PEM).")] = None,
    certificate: Annotated[Path | None, typer.Option(help="For coop://: a member's certificate.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="For coop://: the key to it.")] = None,
) -> None:
    """Check that the history in a log was not rewritten; name the first entry that does not fit.

    Every entry is hashed anew and held against the heads that the log's owner signed. Give with `--witness`
    what others kept of the log, such as a store's file on its coordinator: without it an owner who rewrote
    the whole log and signed it again would not be noticed. `highstreet audit keys` prints the keys to give
    with `--key`.

    Ends with 0 when everything fits; with 1 when something in the log does not; with 2 when nothing of that
    was found, but the log or something that was brought could not be read, so that not all was checked.
    """
    try:
        keys = [each for text in key or () for each in _keys(text)]
        material = _material(log, ca, private_key, certificate)
    except HighstreetError as error:
        raise LogUncheckedError(error.what, next_step=error.next_step) from error
    kept = Evidence()
    for path in witness or ():
        kept += read_evidence_file(path, limit_bytes=_WITNESS_LIMIT_BYTES)
    verdict = verify_log(material, keys=keys, witnessed=kept)
    typer.echo("\n".join(printable(line) for line in _report(verdict)))
    if not verdict.holds:
        raise typer.Exit(1 if verdict.findings else LogUncheckedError.exit_status)


@audit_app.command("keys")
def keys(log: Annotated[Path, typer.Argument(help="A log's folder.")]) -> None:
    """Print the keys to check a log with: its owner's, for this log and as a witness of others'.

    They come from the log itself. Compare them with what the owner tells you before you rely on them.
    """
    entries = read_log_folder(log).entries
    if not entries:
        raise LogEntryError("The log holds no entry.")
    opening = LogEntry.from_document(entries[0]).draft
    if opening.kind is not EntryKind.OPENING:
        raise LogEntryError("The log does not begin with its opening.")
    origin, public = str(opening.body["origin"]), bytes.fromhex(str(opening.body["public_key"]))
    typer.echo(log_key(origin, public).to_text())
    typer.echo(witness_key(origin, public).to_text())


def _material(log: str, ca: Path | None, private_key: Path | None, certificate: Path | None) -> LogMaterial:
    if "://" not in log:
        return read_log_folder(Path(log))
    if ca is None or private_key is None or certificate is None:
        raise LogDownloadError(
            "A coordinator gives its log to members.",
            next_step="Add --ca, --certificate and --private-key: of a store `coop/ca.pem`, "
            "`coop/client.pem` and `keys/tls.key`.",
        )
    pem = [read_limited(path, limit_bytes=_PEM_LIMIT_BYTES) for path in (ca, private_key, certificate)]
    return download_log(LogAddress.from_url(log, authority=pem[0], private_key=pem[1], certificate=pem[2]))


def _keys(text: str) -> list[NoteKey]:
    if "+" in text and not Path(text).is_file():
        return [NoteKey.from_text(text)]
    lines = read_limited(Path(text), limit_bytes=_KEYS_LIMIT_BYTES).decode(errors="replace").splitlines()
    found = [NoteKey.from_text(line) for line in lines if line.strip()]
    if not found:
        raise SignedNoteError(
            f"There is no key in {text}.",
            next_step="Write one on a line, as `highstreet audit keys` prints it.",
        )
    return found


def _report(verdict: LogVerdict) -> list[str]:
    heads = f"{verdict.heads} signed heads fit" if verdict.heads else "held against checkpoints alone"
    lines = [
        f"log       {verdict.key.name if verdict.key else 'unknown'}",
        f"entries   {verdict.size}, hashed anew; {heads}",
        f"root      {verdict.root.hex()}",
    ]
    if verdict.key is not None:
        whose = "given" if verdict.is_key_given else "from the log itself: compare it with one you know"
        lines.append(f"key       {verdict.key.to_text()} ({whose})")
    lines += [f"witness   {name}: saw {size} entries" for name, size in verdict.cosigned.items()]
    if verdict.unknown_witnesses:
        lines.append(f"          {len(verdict.unknown_witnesses)} more, whose keys were not given")
    lines.append("")
    if verdict.findings:
        lines += _findings(verdict.findings)
    elif verdict.unusable:
        lines.append("What could be used fits; not all that was brought could be used.")
    else:
        lines.append("Everything fits.")
    return [*lines, *_unusable(verdict.unusable)]


def _unusable(unusable: Sequence[Unusable]) -> list[str]:
    lines = [f"Not used: {each.where}: {each.why}" for each in unusable[:_UNUSABLE_SHOWN]]
    if len(unusable) > _UNUSABLE_SHOWN:
        lines.append(f"Not used: {len(unusable) - _UNUSABLE_SHOWN} more.")
    if unusable:
        lines.append("Bring what was kept of this log, undamaged, from whoever kept it, and verify again.")
    return lines


def _findings(findings: Sequence[Finding]) -> list[str]:
    first, *others = findings
    place = f"Entry {first.first}" if first.first == first.last else f"Entries {first.first} to {first.last}"
    lines = [f"{place}: {first.what}", first.next_step]
    if others:
        lines.append(f"{len(others)} more do not fit, from entry {others[0].first} on.")
    return lines
