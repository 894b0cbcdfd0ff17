"""`highstreet store attestation`: opens what the shop attested, for those who may see it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home, with_customers
from highstreet.command_groups import command_group

__all__ = ["attestation_app"]

_OutOption = Annotated[Path, typer.Option("--out", help="The file to write; private to you.")]

attestation_app = command_group(
    "attestation",
    "What this shop signed beside each contribution: that everybody whose data was behind it had agreed.",
)


@attestation_app.callback()
def _attestation() -> None:
    """Keep the commands below a group of their own."""


@attestation_app.command("export")
def export(
    ctx: typer.Context,
    round_name: Annotated[
        str,
        typer.Option(
            "--round", help="As `store rounds` shows it: PROGRAMME/NUMBER, MATCHING/list or MATCHING/table."
        ),
    ],
    out: _OutOption = Path("attestation.json"),
    home: HomeOption = None,
) -> None:
    """Open one of this shop's attestations for an auditor, who then checks it without this shop's help.

    The coordinator and other shops see of an attestation only hashes, which tell of nobody. What this writes
    opens them: every consent event up to that moment and whose data was used, by number and without a name.
    Give it to somebody who is bound to keep it. They check it with `highstreet audit attestation`.
    """
    from highstreet.client.attestation_papers import open_attested
    from highstreet.client.attested_names import find_name
    from highstreet.client.vault import Vault
    from highstreet.files import write_private

    place = with_customers(store_home(ctx, home))
    name = find_name(round_name)
    with Vault.open(place.vault) as vault:
        opening = open_attested(place, vault, name)
    write_private(out, opening.to_file_bytes())
    typer.echo(f"For the auditor alone: {out}. It names nobody, and holds what customers said, by number.")
    typer.echo(f"To check: highstreet audit attestation {out} --key {opening.public_key.hex()}")


@attestation_app.command("prove")
def prove(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(help="The customer's number, as in the imported files.")],
    round_name: Annotated[
        str,
        typer.Argument(
            metavar="ROUND",
            help="As `store rounds` shows it: PROGRAMME/NUMBER, MATCHING/list or MATCHING/table.",
        ),
    ],
    out: _OutOption = Path("proof.json"),
    home: HomeOption = None,
) -> None:
    """Give a customer their proof that their data was among that behind one contribution, and for what.

    For who asks "was I in it?". CUSTOMER is their number in the imported files, ROUND a name that `highstreet
    store rounds` shows. The proof names no other customer and does not tell how many there were. Anybody the
    customer shows it to can check it with `highstreet audit attestation`. A customer who was not in it has no
    proof: that is said, and nothing is written.
    """
    from highstreet.client.attestation_papers import prove_membership
    from highstreet.client.attested_names import find_name
    from highstreet.client.vault import Vault
    from highstreet.files import write_private

    place = with_customers(store_home(ctx, home))
    name = find_name(round_name)
    with Vault.open(place.vault) as vault:
        proof = prove_membership(place, vault, customer, name)
    write_private(out, proof.to_file_bytes())
    typer.echo(f"For the customer alone: {out}.")
    typer.echo(f"To check: highstreet audit attestation {out} --key {proof.public_key.hex()}")
