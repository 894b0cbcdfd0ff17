"""`highstreet store contradiction`: what the coordinator's log was found to contradict, and going on."""

from __future__ import annotations

from typing import Annotated

import typer

from highstreet.client.cli_options import HomeOption, store_home
from highstreet.printable import printable

__all__ = ["contradiction"]


def contradiction(
    ctx: typer.Context,
    go_on: Annotated[
        bool,
        typer.Option(
            "--go-on",
            help="Put the evidence aside, where it is kept, and deal with the coordinator again: this shop "
            "takes the log as it is shown next, and writes into its own that it began anew.",
        ),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Show what shows that the coordinator's log was written anew, or differs from what other shops see.

    Then this shop answers no round, takes no release and calls the coordinator no more, until you looked.
    """
    from highstreet.audit.checkpoints import Checkpoint
    from highstreet.audit.signed_notes import NOTE_LIMIT_BYTES, SignedNote
    from highstreet.client.contradiction import contradictions, put_aside
    from highstreet.files import read_limited

    found = store_home(ctx, home)
    evidence = contradictions(found)
    if not evidence:
        typer.echo("Nothing contradicts what this shop saw of the coordinator's log.")
        return
    typer.echo("The coordinator's own key signed what cannot both be true:")
    for path in evidence:
        note = SignedNote.from_bytes(read_limited(path, limit_bytes=NOTE_LIMIT_BYTES))
        checkpoint = Checkpoint.from_text(note.text)
        typer.echo(
            printable(f"  {checkpoint.size} entries with the root {checkpoint.root.hex()[:16]}...  {path}")
        )
    typer.echo(f"What this shop saw before is in {found.witness}, too.")
    if not go_on:
        typer.echo(
            "Show the folder to the other shops, and ask the coordinator: a server put back from an old "
            "backup does this as well as a fraud. `highstreet audit verify` with the files of several shops "
            "says where the logs part. Then go on with --go-on, or leave: `highstreet store leave`."
        )
        return
    put_aside(found)
    typer.echo("It is put aside, in the same folder. From now on this shop deals with the coordinator again.")
