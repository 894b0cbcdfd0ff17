"""A contradiction of the coordinator's log: kept as evidence, and nothing more is done with the coordinator.

The evidence is a file beside what this store witnessed. As long as it lies there no call goes to the
coordinator, no round is answered and no release is taken. It is put aside, and kept, by the owner alone.
"""

from __future__ import annotations

from pathlib import Path

from highstreet.audit.errors import WitnessConflictError
from highstreet.client.home import StoreHome
from highstreet.files import access_error, make_private_folder, sync_folder

__all__ = ["ASIDE", "contradictions", "put_aside", "refuse_contradicted"]

#: In the folder of what was witnessed: a folder for each time that evidence was put aside.
ASIDE = "looked-at"


def contradictions(home: StoreHome) -> list[Path]:
    """Return the files of evidence that the owner has not put aside yet."""
    return sorted(home.witness.glob("conflict-*.note"))


def refuse_contradicted(home: StoreHome) -> None:
    """Return only when nothing is known against the coordinator that the owner has not looked at.

    Raises:
        WitnessConflictError: there is.
    """
    if contradictions(home):
        raise WitnessConflictError(
            "The coordinator's log contradicts what it showed before, or showed to other members. This shop "
            "has no more to do with it until you looked.",
            next_step="See what was found: `highstreet store contradiction`. Show it to the other members.",
        )


def put_aside(home: StoreHome) -> int:
    """Keep the evidence apart, so that this shop deals with the coordinator again; return how much there is.

    What this store witnessed is put aside with it. So it witnesses the log anew, as it is shown next, and its
    own log says so; everything that was kept goes on to show where the two part.

    Raises:
        FileAccessError: it could not be moved.
    """
    found = contradictions(home)
    if found:
        aside = home.witness / ASIDE / f"{len(list(home.witness.glob(f'{ASIDE}/*'))) + 1:04d}"
        make_private_folder(aside.parent)
        make_private_folder(aside)
        for path in [*sorted(home.witness.glob("*.jsonl")), *found]:  # the evidence last: until then, refused
            try:
                path.rename(aside / path.name)
            except OSError as error:
                raise access_error(path, error) from error
        sync_folder(aside)
        sync_folder(home.witness)
    return len(found)
