"""`highstreet store consent import` and `receipt`: consents from other tools, and what customers get."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home, with_customers
from highstreet.printable import printable

__all__ = ["import_signals", "receipt"]


def import_signals(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Exports of Mailchimp, Klaviyo, Shopify, your site.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be saved; save nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Save without asking.")] = False,
    home: HomeOption = None,
) -> None:
    """Take over what customers agreed to in other tools, as far as that says anything here.

    A yes to e-mail is none to personal suggestions; nothing grants learning with the co-op or being matched.
    """
    from highstreet.client.consent import ConsentDesk
    from highstreet.client.consent_signals.signal_file import read_signal_file
    from highstreet.client.matching_withdrawals import forget_withdrawn_at
    from highstreet.client.signal_customers import signals_of_customers
    from highstreet.client.vault import Vault

    place = with_customers(store_home(ctx, home))
    asks = sys.stdin.isatty() and not yes and not dry_run
    found = [read_signal_file(path, now=datetime.now(UTC)) for path in files]  # all, before any is saved
    with Vault.open(place.vault) as vault:
        desk = ConsentDesk(vault)
        for each in found:
            known = signals_of_customers(vault, each.signals)
            for sentence in (*each.in_words(), *known.in_words()):
                typer.echo(printable(sentence))
            if dry_run:
                typer.echo("  Nothing was saved: this was a trial (--dry-run).")
            elif not known.signals:
                typer.echo("  Nothing in it is about a customer of this shop.")
            elif asks and not typer.confirm("Looks right?", default=True):
                typer.echo("  Nothing of it was saved.")
            else:
                typer.echo(f"  Saved: {desk.take(known.events()):,} new consent answers.")
        forget_withdrawn_at(place, vault)


def receipt(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(help="The customer's number, as in the imported files.")],
    folder: Annotated[
        Path, typer.Option("--to", help="Where to put it; made, private to you, where it does not exist.")
    ] = Path(),
    language: Annotated[str, typer.Option("--language", help="en, de or fr; else the shop's.")] = "",
    home: HomeOption = None,
) -> None:
    """Make a customer's receipt: what they agreed to, as a page to read and a signed file to check.

    For the customer alone. They, or anybody they show it to, check it with `highstreet audit receipt`.
    """
    from highstreet.client.config import read_config
    from highstreet.client.consent import ConsentDesk
    from highstreet.client.identity import load_or_make_identity
    from highstreet.client.receipt_desk import issue_receipt
    from highstreet.client.vault import Vault
    from highstreet.files import make_private_folder, write_private

    place = with_customers(store_home(ctx, home))
    shop = read_config(place).shop
    with Vault.open(place.vault) as vault:
        issued = issue_receipt(
            vault,
            ConsentDesk(vault),
            load_or_make_identity(place),
            shop,
            customer,
            language=language or shop.language,
            now=time.time_ns() // 1000,
            zone=datetime.now().astimezone().tzinfo or UTC,
        )
    if not folder.exists():
        make_private_folder(folder)
    page = (folder / issued.file_name).with_suffix(".html")
    write_private(folder / issued.file_name, issued.file)
    write_private(page, issued.page.encode())
    typer.echo(f"To read: {page}")
    typer.echo(f"To check: highstreet audit receipt {folder / issued.file_name}")
    typer.echo(f"This shop's key, to tell the customer: {issued.receipt.issuer.public_key.hex()}")
