"""`highstreet audit receipt`: says whether a receipt is what the shop signed, and what it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highstreet.audit.cli_keys import KeyOption, read_key
from highstreet.printable import printable

if TYPE_CHECKING:
    from highstreet.audit.receipts import Receipt

__all__ = ["receipt"]

_LIMIT_BYTES = 4 << 20


def receipt(
    file: Annotated[Path, typer.Argument(help="The receipt: the file ending in .json.")],
    key: KeyOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="The receipt itself, once it is checked.")] = False,
) -> None:
    """Check a receipt of what you said yes and no to: that the shop signed it, and nobody changed it since.

    It needs nothing but the file. Compare the shop's key with what the shop tells you itself, or give it.
    """
    from highstreet.audit.receipt_format import to_jsonld, verify_receipt
    from highstreet.files import read_limited

    public_key = read_key(key)
    found = verify_receipt(read_limited(file, limit_bytes=_LIMIT_BYTES), public_key=public_key)
    if as_json:
        typer.echo(json.dumps(to_jsonld(found), ensure_ascii=False))
        return
    for line in _in_words(found, is_known_key=public_key is not None):
        typer.echo(printable(line))


def _in_words(found: Receipt, *, is_known_key: bool) -> list[str]:
    lines = [
        f"This receipt is as {found.issuer.name} signed it on {_when(found.issued_at)}.",
        f"It is about customer {found.customer_id}.",
    ]
    if not is_known_key:
        lines.append(
            f"Signed with the key {found.issuer.public_key.hex()}: compare it with the shop's own word,"
            " or give that with --key. A receipt alone cannot tell whose key it is."
        )
    for each in found.standings:
        where = "" if each.channel.value == "everywhere" else f" ({each.channel.value})"
        lines.append(f"{each.purpose.plain_words}{where}: {each.state.replace('_', ' ')}")
    lines.append(
        f"Made from the shop's consent log up to entry {found.log_position:,}, root {found.log_root.hex()}."
    )
    older = f", and {found.older_entries:,} older ones that are not in it" if found.older_entries else ""
    lines.append(f"{len(found.entries):,} entries{older}:")
    for event in (entry.event for entry in found.entries):
        notice = f", shown notice {event.notice.version} ({event.notice.language})" if event.notice else ""
        lines.append(
            f"  {_when(event.at)}  {event.purpose.plain_words}, {event.channel.value}: "
            f"{event.act.value.replace('_', ' ')} by {event.method.value}, {event.source}{notice}"
        )
    if found.odd_entries:
        lines.append(f"{len(found.odd_entries):,} entries that cannot be shown as answers:")
        lines += [f"  entry {odd.position:,}: {odd.record or 'too long'}" for odd in found.odd_entries]
    return lines


def _when(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds // 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
