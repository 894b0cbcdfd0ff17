"""The public key that a person gives to a command which checks a paper."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["KeyOption", "read_key"]

_KEY_BYTES = 32

KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        help="The public key of who signed it, 64 hexadecimal digits, as you know it from elsewhere. Without "
        "it the paper is checked by the key that it names itself, which is then shown.",
    ),
]


def read_key(text: str) -> bytes | None:
    """Return the key that was given, raw Ed25519; None where none was.

    Raises:
        BadParameter: it is no key.
    """
    if not text.strip():
        return None
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise typer.BadParameter("A key is 64 hexadecimal digits.", param_hint="--key")
    return key
