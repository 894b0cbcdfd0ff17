"""`highstreet store attestation`: opens what the shop attested of a round, for those who may see it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home, with_customers
from highstreet.command_groups import command_group

__all__ = ["attestation_app"]

_OutOption = Annotated[Path, typer.Option("--out", help="The file to write; private to you.")]

attestation_app = command_group(
    "attestation", "What this shop signed of each round: for an auditor, or for the customer concerned."
)


@attestation_app.callback()
def _attestation() -> None:
    """Keep the commands below a group of their own."""


@attestation_app.command("export")
def export(
    ctx: typer.Context,
    round_name: Annotated[str, typer.Option("--round", help="PROGRAMME/NUMBER, as `store rounds` shows it.")],
    out: _OutOption = Path("attestation.json"),
    home: HomeOption = None,
) -> None:
    """Open a round's attestation for an auditor: every consent event behind it, and no name."""
    from highstreet.client.attestation_papers import named_round, open_attested
    from highstreet.client.vault import Vault
    from highstreet.files import write_private

    place = with_customers(store_home(ctx, home))
    programme_id, number = named_round(round_name)
    with Vault.open(place.vault) as vault:
        opening = open_attested(place, vault, programme_id=programme_id, round_number=number)
    write_private(out, opening.to_file_bytes())
    typer.echo(f"For the auditor alone: {out}. It names nobody, and holds what customers said, by number.")
    typer.echo(f"To check: highstreet audit attestation {out} --key {opening.public_key.hex()}")


@attestation_app.command("prove")
def prove(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(help="The customer's number, as in the imported files.")],
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="PROGRAMME/NUMBER.")],
    out: _OutOption = Path("proof.json"),
    home: HomeOption = None,
) -> None:
    """Give a customer their proof that their data could be used in a round, and for what."""
    from highstreet.client.attestation_papers import named_round, prove_membership
    from highstreet.client.vault import Vault
    from highstreet.files import write_private

    place = with_customers(store_home(ctx, home))
    programme_id, number = named_round(round_name)
    with Vault.open(place.vault) as vault:
        proof = prove_membership(place, vault, customer, programme_id=programme_id, round_number=number)
    write_private(out, proof.to_file_bytes())
    typer.echo(f"For the customer alone: {out}.")
    typer.echo(f"To check: highstreet audit attestation {out} --key {proof.public_key.hex()}")
