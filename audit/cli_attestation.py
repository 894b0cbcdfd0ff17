"""`highstreet audit attestation`: checks what a store opened of a round, or a person's proof, offline."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.attestation import Attestation
    from highstreet.audit.attestation_check import OpeningVerdict
    from highstreet.audit.attestation_papers import AttestationOpening, CohortEntry

__all__ = ["attestation"]


def attestation(
    file: Annotated[Path, typer.Argument(help="What `store attestation export` or `prove` wrote.")],
    key: Annotated[
        str, typer.Option("--key", help="The shop's public key, 64 hexadecimal digits, as the roster has it.")
    ] = "",
) -> None:
    """Check a round's attestation: an auditor's opening of it, or one person's proof."""
    from highstreet.audit.attestation_check import check_membership, check_opening
    from highstreet.audit.attestation_papers import PAPER_LIMIT_BYTES, AttestationOpening, read_paper
    from highstreet.files import read_limited

    try:
        public_key = bytes.fromhex(key.strip()) if key else None
    except ValueError as error:
        raise typer.BadParameter("A key is 64 hexadecimal digits.", param_hint="--key") from error
    paper = read_paper(read_limited(file, limit_bytes=PAPER_LIMIT_BYTES))
    if isinstance(paper, AttestationOpening):
        verdict = check_opening(paper, public_key=public_key)
        lines = [*_attested(verdict.attestation), *_opened(paper, verdict)]
    else:
        verdict = None
        lines = [*_attested(check_membership(paper, public_key=public_key)), *_proven(paper.entry)]
    if public_key is None:
        lines.append(
            f"signed with {paper.public_key.hex()}: compare that with the roster, or give it as --key"
        )
    typer.echo("\n".join(printable(line) for line in lines))
    if verdict is not None and verdict.first is not None:
        raise typer.Exit(1)


def _attested(found: Attestation) -> list[str]:
    about, use = found.round, found.use
    return [
        f"store     {about.member_id} of co-op {about.coop_id}",
        f"round     {about.programme_id}/{about.round}, request {about.request_sha256.hex()}",
        f"model in  {about.model_sha256.hex()}",
        f"sent      {about.contribution_sha256.hex()}",
        f"policy    {use.policy_sha256.hex()}",
        f"epsilon   {use.epsilon:.4g} in this programme up to this round, delta {use.delta:g}, a customer of "
        "this shop added or removed",
    ]


def _opened(opening: AttestationOpening, verdict: OpeningVerdict) -> list[str]:
    moment = datetime.fromtimestamp(opening.basis.time.now // 1_000_000, tz=UTC).strftime(
        "%Y-%m-%d %H:%M UTC"
    )
    lines = [
        f"consent   {opening.basis.position:,} entries, root {opening.basis.root.hex()}, as of {moment}",
        f"cohort    {verdict.customers:,} customers checked; {verdict.erased:,} erased since",
    ]
    if verdict.emptied:
        lines.append(
            f"emptied   {verdict.emptied:,} entries of the consent log: hold them against the shop's "
            "certificates of erasures"
        )
    if verdict.first is None:
        return [*lines, "", "Every customer who could be checked had standing consent."]
    first = verdict.first
    return [
        *lines,
        "",
        f"Customer {first.entry.customer} (leaf {first.entry.slot}) was used for "
        f"{first.purpose.plain_words}; consent to that: {first.state.replace('_', ' ')}.",
        f"{verdict.without:,} of the cohort had no consent. Ask the shop what happened in that round.",
    ]


def _proven(entry: CohortEntry) -> list[str]:
    purposes = "; ".join(each.plain_words for each in sorted(entry.purposes))
    return [
        "",
        f"Customer {entry.customer}, as this shop's vault counts them, could be used in that round, for: "
        f"{purposes}.",
    ]
