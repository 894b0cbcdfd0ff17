"""`highstreet store rights`: what a customer may ask for, done and on record."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.client.cli_options import HomeOption, JsonOption, store_home, with_customers
from highstreet.command_groups import command_group

if TYPE_CHECKING:
    from highstreet.client.erasure import Erasure
    from highstreet.client.home import StoreHome

__all__ = ["rights_app"]

_BY_OWNER = "store command"
CustomerArgument = Annotated[str, typer.Argument(help="The customer's number, as in the imported files.")]

rights_app = command_group(
    "rights",
    "What a customer may ask for: a copy of their data, correction, restriction, objection, erasure.",
)


@rights_app.command("access")
def access(
    ctx: typer.Context, customer: CustomerArgument, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Write everything held of a customer into a private folder: a page to read and a file for programs.

    Hand it to the customer, and to nobody else. After 30 days it is removed from here, by
    `highstreet store run` or `highstreet store consent tidy`.
    """
    from highstreet.client.rights_desk import make_record

    made = make_record(_place(ctx, home), customer, source=_BY_OWNER, now=_now())
    if as_json:
        typer.echo(json.dumps({"folder": str(made.folder), "files": ["record.json", "record.html"]}))
        return
    typer.echo(f"For the customer, in {made.folder}: record.html to read, record.json for programs.")
    typer.echo(
        "They hold personal data: hand them over safely. Here they are kept for 30 days; then "
        "`highstreet store run` removes them, or `highstreet store consent tidy`."
    )


@rights_app.command("correct")
def correct(
    ctx: typer.Context,
    customer: CustomerArgument,
    number: Annotated[str | None, typer.Option("--number", help="Their number as it should be.")] = None,
    email: Annotated[str | None, typer.Option("--email", help='As it should be; "" for none.')] = None,
    loyalty_number: Annotated[
        str | None, typer.Option("--loyalty-number", help='As it should be; "" for none.')
    ] = None,
    not_theirs: Annotated[
        list[str] | None, typer.Option("--not-theirs", help="An order that is not theirs. May be repeated.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Put right what is wrong about a customer; give what is to be changed as options.

    For example: `correct 1042 --email new@example.org`. Put it right in your till or shop system too: the
    next import brings back what those say.
    """
    from highstreet.client.rectification import Correction
    from highstreet.client.rectification import correct as put_right
    from highstreet.privacy.matching.identifiers import IdentifierKind

    given = {IdentifierKind.EMAIL: email, IdentifierKind.LOYALTY_NUMBER: loyalty_number}
    correction = Correction(
        customer_id=number,
        identifiers={kind: value for kind, value in given.items() if value is not None},
        not_theirs=tuple(not_theirs or ()),
    )
    changed = put_right(_place(ctx, home), customer, correction, source=_BY_OWNER, now=_now())
    typer.echo("Put right: " + ", ".join(f"{what} ({count})" for what, count in changed.items()) + ".")
    typer.echo("Put it right in your till or shop system too: the next import says what that says.")


@rights_app.command("restrict")
def restrict(
    ctx: typer.Context,
    customer: CustomerArgument,
    lift: Annotated[bool, typer.Option("--lift", help="The data may be used again.")] = False,
    home: HomeOption = None,
) -> None:
    """Keep a customer's data and use them for nothing, until it is lifted with `--lift`.

    For who disputes their data, or needs them for a claim of their own (GDPR, Article 18).
    """
    from highstreet.client.rights_desk import set_restriction

    set_restriction(_place(ctx, home), customer, is_restricted=not lift, source=_BY_OWNER, now=_now())
    typer.echo(
        "Lifted: the data are used again as far as the customer agreed."
        if lift
        else "Restricted: the data are kept and used for nothing from now on."
    )


@rights_app.command("object")
def object_to(
    ctx: typer.Context,
    customer: CustomerArgument,
    purposes: Annotated[
        list[str] | None, typer.Argument(help="What they object to; everything when none is named.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write down an objection: from now on the data are not used for what they object to.

    For example: `object 1042 coop_learning`. Without a purpose it holds for all of them. What has left in a
    sum with noise cannot be called back; nothing that has not left uses their data.
    """
    from highstreet.audit.consent import Purpose
    from highstreet.client.rights_desk import object_to as write_down

    chosen = tuple(map(Purpose.parse, purposes)) if purposes else tuple(Purpose)
    write_down(_place(ctx, home), customer, chosen, source=_BY_OWNER, now=_now())
    typer.echo("Written down. Not used from now on for: " + "; ".join(each.plain_words for each in chosen))


@rights_app.command("erase")
def erase(
    ctx: typer.Context,
    customer: CustomerArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Erase a customer from every file of this store, and make a signed certificate.

    It cannot be taken back. Erase them in your till or shop system too, and in your own copies of its files.
    """
    from highstreet.client.erasure import erase_customers

    place = _place(ctx, home)
    if not yes:
        typer.confirm("Erase this customer for good?", abort=True)
    _show([erase_customers(place, [customer], source=_BY_OWNER, now=_now())], as_json=as_json)


@rights_app.command("finish")
def finish(
    ctx: typer.Context,
    customer: Annotated[
        str | None, typer.Argument(help="The number of whoever was being erased, for the certificate.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Finish erasures that were cut off by a crash, or that found something they could not remove.

    Give the number of whoever was being erased, so that the certificate can be about them; without it the
    erasure is finished all the same, with a certificate that names nobody.
    """
    from highstreet.client.erasure import finish_erasures

    done = finish_erasures(_place(ctx, home), now=_now(), customer_ids=[customer] if customer else [])
    if not done and not as_json:
        typer.echo("No erasure was cut off.")
        return
    _show(done, as_json=as_json)
    if done:
        finish_erasures(_place(ctx, home), now=_now())  # says what could not be finished, if anything


@rights_app.command("again")
def again(ctx: typer.Context, home: HomeOption = None) -> None:
    """Erase again whoever came back with an older copy of the shop's data.

    The store knows by keyed digests whom it erased, for as long as such copies are kept, and refuses to work
    on one that brings them back until this was done.
    """
    from highstreet.client.erasure import erase_again

    count = erase_again(_place(ctx, home), now=_now())
    typer.echo(f"{count} customer{'' if count == 1 else 's'} erased again.")


@rights_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A certificate.")],
    customer: Annotated[str | None, typer.Option("--customer", help="The shop's number for them.")] = None,
    salt: Annotated[str | None, typer.Option("--salt", help="What was handed over with it.")] = None,
) -> None:
    """Check a certificate of an erasure: that it was signed by the key it names, and whose it is.

    The certificate names nobody. With `--customer` and the `--salt` that the person was handed, it is checked
    that it is theirs.
    """
    from highstreet.audit.erasure_certificate import person_commitment, read_certificate
    from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES, SignedDocument
    from highstreet.files import read_limited

    signed = SignedDocument.from_file_bytes(read_limited(file, limit_bytes=2 * DOCUMENT_LIMIT_BYTES))
    certificate = read_certificate(signed)
    typer.echo(f"Signed by the key {certificate.shop_public_key}, and not changed since.")
    if (customer is None) != (salt is None):
        raise typer.BadParameter("Give both --customer and --salt, or neither.")
    if customer is not None and salt is not None:
        try:
            is_theirs = person_commitment(bytes.fromhex(salt), customer) == certificate.person
        except ValueError as error:
            raise typer.BadParameter("A salt is 64 hex digits.") from error
        typer.echo("It is this customer's." if is_theirs else "It is NOT this customer's.")
        raise typer.Exit(0 if is_theirs else 1)


@rights_app.command("shopify-secret")
def shopify_secret(
    ctx: typer.Context,
    shop: Annotated[str, typer.Argument(help="The shop's name, as in your-shop.myshopify.com.")],
    home: HomeOption = None,
) -> None:
    """Keep the secret that Shopify signs its calls with; it is asked for, or read from standard input.

    For shops on Shopify, once, before `webhook`. SHOP is the name in your-shop.myshopify.com.
    """
    from highstreet.client.shopify_privacy import keep_secret

    secret = (
        typer.prompt("The app's client secret", hide_input=True)
        if sys.stdin.isatty()
        else sys.stdin.readline()
    )
    keep_secret(store_home(ctx, home), shop, secret)
    typer.echo("Kept, for you alone to read.")


@rights_app.command("webhook")
def webhook(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The call's body, byte for byte.")],
    topic: Annotated[str, typer.Option("--topic", help="The header X-Shopify-Topic.")],
    signature: Annotated[str, typer.Option("--signature", help="The header X-Shopify-Hmac-SHA256.")],
    home: HomeOption = None,
) -> None:
    """Do what one of Shopify's three privacy calls asks for, after checking its signature.

    The calls are customers/data_request, customers/redact and shop/redact. FILE is the call's body, byte for
    byte; topic and signature are its headers. See docs/rights.md for how to pass them on.
    """
    from highstreet.client.shopify_privacy import BODY_LIMIT_BYTES, answer_privacy_call
    from highstreet.files import read_limited

    body = read_limited(file, limit_bytes=BODY_LIMIT_BYTES)
    done = answer_privacy_call(store_home(ctx, home), topic=topic, signature=signature, body=body, now=_now())
    files = [str(each) for each in done.files]
    answer = {
        "status": done.status,
        "customers": done.customers,
        "files": files,
        "undecided": done.undecided,
    }
    typer.echo(json.dumps(answer))
    if done.undecided:
        typer.echo(
            f"{done.undecided} more with that e-mail address, who may be somebody else: nothing was "
            "done with them. Ask whom it is about, then: "
            "highstreet store rights erase CUSTOMER, or access CUSTOMER",
            err=True,
        )


def _place(ctx: typer.Context, home: Path | None) -> StoreHome:
    return with_customers(store_home(ctx, home))


def _now() -> datetime:
    return datetime.now(UTC)


def _show(done: list[Erasure], *, as_json: bool) -> None:
    from highstreet.audit.erasure_certificate import read_certificate

    if as_json:
        typer.echo(json.dumps([{"certificate": str(each.file), "salt": each.salt.hex()} for each in done]))
        return
    for each in done:
        certificate = read_certificate(each.certificate)
        typer.echo(
            f"Erased. {certificate.files_searched} files were read through, and none names them. "
            f"Certificate: {each.file}"
        )
        if each.salt:
            typer.echo(f"For the customer alone, to show that it is theirs: {each.salt.hex()}")
        if certificate.rounds:
            typer.echo(
                f"What cannot be called back: sums with noise of {certificate.rounds} rounds. They tell of "
                f"the person at most epsilon {certificate.epsilon:.3g} (delta {certificate.delta:g}): who "
                f"guesses from them is right at most {100 * certificate.right_guesses:.1f} times of 100."
            )
        if certificate.epsilon_is_least:
            typer.echo("There may have been more: this shop was restored, and rounds may be forgotten.")
        typer.echo("Erase them in your till or shop system too, and in your own copies of its files.")
