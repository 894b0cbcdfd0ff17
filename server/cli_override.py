"""`highstreet coop override`: see what the rules on bias keep back, and let it out, two people together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.command_groups import command_group
from highstreet.server.cli_options import HomeOption, open_home

if TYPE_CHECKING:
    from highstreet.audit.bias_override import Override

__all__ = ["override_app"]

override_app = command_group(
    "override", "Releases that the charter's rules on bias keep back, and overriding them."
)
_LIMIT_BYTES = 1 << 20
_FileArgument = Annotated[Path, typer.Argument(help="The override, as `propose` wrote it.")]


@override_app.command("show")
def show(ctx: typer.Context, home: HomeOption = None) -> None:
    """Show the training that is kept back: each rule, each group, and what was found."""
    from rich.console import Console

    from highstreet.server.candidates import kept_back
    from highstreet.server.status import bias_table

    opened = open_home(ctx, home)
    kept = kept_back(opened)
    verdict = kept.report.verdict
    typer.echo(f"Training {kept.programme.number} is kept back by: {', '.join(verdict.blocking)}.")
    typer.echo(_about(kept.named))
    Console().print(bias_table(opened.charter().bias_limits, verdict))


@override_app.command("key")
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is, as in the charter.")],
    out: Annotated[Path, typer.Option(help="File for the private key; it must not exist yet.")],
) -> None:
    """Make a person's key, on that person's own computer; prints what goes into the charter."""
    import json

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from highstreet.audit.bias_override import key_of
    from highstreet.files import write_private
    from highstreet.server.errors import SettingsError
    from highstreet.server.pki import key_pem

    if out.exists():
        raise SettingsError(f"{out} is there already; a key is never written over another.")
    made = Ed25519PrivateKey.generate()
    write_private(out, key_pem(made))
    typer.echo(f"The key is in {out}; keep it to yourself. In the charter:")
    typer.echo(f'[[bias_limits.people]]\nname = {json.dumps(name)}\npublic_key = "{key_of(made)}"')


@override_app.command("propose")
def propose(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(help="Why it is right to release it; every shop is shown this.")],
    out: Annotated[Path, typer.Option(help="File for the override, to be signed.")],
    home: HomeOption = None,
) -> None:
    """Write an override of the training that is kept back, for two people to sign."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from highstreet.audit.bias_override import Override, overridden_by
    from highstreet.files import write_private
    from highstreet.server.candidates import kept_back

    opened = open_home(ctx, home)
    kept = kept_back(opened)
    override = replace(
        kept.named,
        rules=overridden_by(kept.report.verdict),
        reason=reason,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    write_private(out, Override.from_document(override.document()).document())
    typer.echo(
        f"The override of training {kept.programme.number} is in {out}. Two people of the charter sign it:"
    )
    typer.echo(f"  highstreet coop override sign {out} --name NAME --key KEYFILE")


@override_app.command("sign")
def sign(
    file: _FileArgument,
    name: Annotated[str, typer.Option(help="Who signs, as in the charter.")],
    key_file: Annotated[Path, typer.Option("--key", help="That person's private key.")],
) -> None:
    """Read an override and sign it; needs no co-op's folder, so that a key never leaves its owner.

    It says which release is signed for, as `override show` does of the one that is kept back: compare both.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from highstreet.audit.bias_override import Override
    from highstreet.files import read_limited, write_private
    from highstreet.server.errors import SettingsError

    override = Override.from_document(read_limited(file, limit_bytes=_LIMIT_BYTES))
    try:
        found = load_pem_private_key(read_limited(key_file, limit_bytes=_LIMIT_BYTES), password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{key_file} is not a private key of ours.") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise SettingsError(f"{key_file} is not a private key of ours.")
    typer.echo(_about(override))
    for rule, outcome in override.rules.items():
        typer.echo(f"  {rule}: {outcome}")
    typer.echo(f"  reason: {override.reason}")
    signed = Override.from_document(override.signed_by(name, found).document())
    write_private(file, signed.document())
    typer.echo(f"Signed by {', '.join(each.name for each in signed.signatures)}.")


@override_app.command("release")
def release(ctx: typer.Context, file: _FileArgument, home: HomeOption = None) -> None:
    """Release what is kept back, with an override that two people of the charter signed."""
    from datetime import UTC, datetime

    from highstreet.audit.bias_override import Override
    from highstreet.files import read_limited
    from highstreet.server.candidates import release_overridden

    override = Override.from_document(read_limited(file, limit_bytes=_LIMIT_BYTES))
    manifest = release_overridden(open_home(ctx, home), override, now=datetime.now(UTC))
    typer.echo(f"Release {manifest.number} is out. Every shop is shown who overrode which rules, and why.")


def _about(override: Override) -> str:
    """Say which release is let out; the same of what is kept back and of what is signed."""
    return f"  release {override.number} of training {override.programme_id}, model {override.model_sha256}"
