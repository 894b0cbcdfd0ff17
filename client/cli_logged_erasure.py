"""`highstreet store rights logged`: which entry of the shop's log binds an erasure, and what opens it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home

__all__ = ["logged"]

_LIMIT_BYTES = 4 << 20


def logged(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The erasure's certificate, of rights/certificates.")],
    home: HomeOption = None,
) -> None:
    """Show the log's entry that binds an erasure's certificate, what opens it, and that it is in the log.

    The log says nothing of an erasure by itself. What is printed here, as JSON, shows anybody that the
    certificate was there before that round, up to a checkpoint that the coordinator cosigned (docs/log.md,
    Erasures). It says nothing of other erasures but how many there were between the same two rounds.
    """
    from highstreet.client.erasure_openings import certificate_sha256
    from highstreet.client.logged_erasure import logged_erasure
    from highstreet.files import read_limited

    sha256 = certificate_sha256(read_limited(file, limit_bytes=_LIMIT_BYTES))
    typer.echo(json.dumps(logged_erasure(store_home(ctx, home), sha256), indent=2, ensure_ascii=False))
