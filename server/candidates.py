"""Candidates: what a programme whose rounds were all held has come to, from what is on record.

One that the charter's rules on bias keep back stays on record; an override lets it out later.
"""

from __future__ import annotations

import datetime
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from highstreet.audit.bias_override import Override
from highstreet.audit.bias_report import BiasReport
from highstreet.audit.charter import Charter
from highstreet.audit.manifest import Manifest
from highstreet.audit.scorecard import released_scorecard
from highstreet.models.state import SharedState
from highstreet.protos.rounds_pb2 import RoundRequest, SignedRequest
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.database import connect
from highstreet.server.errors import PublishError
from highstreet.server.home import CoopHome
from highstreet.server.programmes import Programme, latest_programme
from highstreet.server.releases import Candidate, judged, latest_manifest, publish_release, release_named

__all__ = ["KeptBack", "candidate_of", "kept_back", "release_overridden"]


def candidate_of(programme_id: str, charter: Charter, book: Checkpoints, state: SharedState) -> Candidate:
    """Describe what a programme has come to.

    Args:
        programme_id: which one; at least one of its rounds was closed.
        charter: it ran under.
        book: of its rounds.
        state: after the last of them.
    """
    contributors = book.contributors(programme_id)
    last = SignedRequest.FromString(book.last_request(programme_id))
    return Candidate(
        programme_id=programme_id,
        state=state,
        rounds=len(contributors),
        participants=min(contributors),
        roster_sha256=RoundRequest.FromString(last.request).roster_sha256,
        evaluation=released_scorecard(charter, state),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBack:
    """A training that only the rules on bias keep back.

    Attributes:
        programme: the training.
        candidate: what it has come to.
        report: with the verdict.
        named: what an override of it must be about (`server.releases.release_named`).
    """

    programme: Programme
    candidate: Candidate
    report: BiasReport
    named: Override


def kept_back(home: CoopHome) -> KeptBack:
    """Return the latest training, if its rounds were all held and only the rules on bias keep it back.

    Raises:
        PublishError: there is no such training.
    """
    charter = home.charter()
    with closing(connect(home.database)) as connection:
        programme = latest_programme(connection)
        candidate = None if programme is None else _held(connection, charter, programme)
        last = latest_manifest(connection)
        if programme is None or candidate is None or _is_released(connection, programme):
            raise _nothing_kept_back()
        report = judged(charter, candidate, last)
    if report is None or report.verdict.is_pass:
        raise _nothing_kept_back()
    return KeptBack(
        programme=programme,
        candidate=candidate,
        report=report,
        named=release_named(charter, candidate, last),
    )


def release_overridden(home: CoopHome, override: Override, *, now: datetime.datetime) -> Manifest:
    """Release the latest training although a rule on bias keeps it back.

    Raises:
        PublishError: none is kept back.
        OverrideError: the override is about something else, or too few signed it.
    """
    return publish_release(home, kept_back(home).candidate, now=now, override=override)


def _held(connection: sqlite3.Connection, charter: Charter, programme: Programme) -> Candidate | None:
    """Return the candidate of a training that failed at nothing but its publication."""
    row = connection.execute(
        "SELECT charter_sha256 FROM programmes WHERE programme_id = ? AND state = 'failed'",
        (programme.programme_id,),
    ).fetchone()
    book = Checkpoints(connection)
    closed = book.last_closed(programme.programme_id)
    if row is None or row["charter_sha256"] != charter.sha256() or closed is None:
        return None
    if closed[0] != len(charter.plan.phases) - 1:
        return None
    return candidate_of(programme.programme_id, charter, book, SharedState.from_bytes(closed[1]))


def _is_released(connection: sqlite3.Connection, programme: Programme) -> bool:
    found = connection.execute(
        "SELECT 1 FROM releases WHERE programme_id = ?", (programme.programme_id,)
    ).fetchone()
    return found is not None


def _nothing_kept_back() -> PublishError:
    return PublishError(
        "No training is kept back by the rules on bias.", next_step="See how the last one went: coop status."
    )
