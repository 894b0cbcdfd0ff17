"""`highstreet store consent`: writes down what a customer said, and shows where they stand."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home, with_customers

__all__ = ["consent"]


class _Said(StrEnum):
    YES = "yes"
    NO = "no"


def consent(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(help="The customer's number, as in the imported files.")],
    purpose: Annotated[
        str | None,
        typer.Argument(help="suggestions_here, shop_model, coop_learning, email_marketing or matching."),
    ] = None,
    said: Annotated[_Said | None, typer.Argument(help="What the customer said.")] = None,
    home: HomeOption = None,
) -> None:
    """Write down a customer's yes or no to one purpose; without one, show where they stand.

    Who takes back a yes to co-op learning or matching has no count of shops any more, and gets one at the
    next matching after saying yes to both.
    """
    from highstreet.audit.consent import Act, Method, Purpose
    from highstreet.client.consent import ConsentDesk, How
    from highstreet.client.matching_withdrawals import forget_withdrawn_at
    from highstreet.client.vault import Vault

    if (purpose is None) != (said is None):
        raise typer.BadParameter("Give both a purpose and yes or no, or neither.")
    place = with_customers(store_home(ctx, home))
    with Vault.open(place.vault) as vault:
        desk = ConsentDesk(vault)
        key = vault.customer_key(customer)
        if purpose is not None and said is not None:
            chosen = Purpose.parse(purpose)
            desk.record(
                customer,
                chosen,
                Act.GIVEN if said is _Said.YES else Act.WITHDRAWN,
                How(method=Method.SPOKEN, source="store command"),
            )
            typer.echo(f"Written down: {said.value} to {chosen.plain_words}. It counts from now on.")
            forget_withdrawn_at(place, vault)
            return
        for each in Purpose:
            typer.echo(f"{each.plain_words}: {desk.state(key, each).value.replace('_', ' ')}")
        if not place.person_counts.exists():
            return
        from highstreet.client.matching_inputs import MATCHING_PURPOSES, present_inputs
        from highstreet.client.person_counts import PersonCounts

        kept = PersonCounts(place.person_counts, vault_id=vault.vault_id).latest()
        if kept is not None and kept.shops is not None:
            present = present_inputs(vault, desk.cohort(*MATCHING_PURPOSES))
            k = kept.held_by(present).get(str(key))
            typer.echo(f"shops of the co-op, by the latest matching: {'not counted' if k is None else k}")
