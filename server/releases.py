"""Releases as the coordinator keeps them: a model file each, and a row that makes it a release."""

from __future__ import annotations

import datetime
import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from highstreet.audit.bias_override import Override, check_override, overridden_by
from highstreet.audit.bias_previous import measured_before
from highstreet.audit.bias_report import BiasReport, report_on
from highstreet.audit.charter import Charter
from highstreet.audit.claims import check_promise
from highstreet.audit.manifest import Manifest
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.files import write_private
from highstreet.models.state import SharedState
from highstreet.server.database import connect, transaction
from highstreet.server.errors import NoReleaseError, PublishError, ReleaseBlockedError
from highstreet.server.home import CoopHome
from highstreet.server.verdicts import record_verdict

__all__ = [
    "Candidate",
    "all_manifests",
    "judged",
    "latest_manifest",
    "manifest_before",
    "publish_release",
    "release_file",
    "release_named",
    "signed_manifest",
]

_NO_PREVIOUS = "0" * 64
_MODEL_LIMIT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a finished programme brings to be released.

    Attributes:
        programme_id: which programme.
        state: the state after its last phase.
        rounds: number of rounds it took.
        participants: fewest contributors of any of its rounds.
        roster_sha256: 32-byte hash of the roster it ran under.
        evaluation: released metrics by name, of `audit.scorecard`.
    """

    programme_id: str
    state: SharedState
    rounds: int
    participants: int
    roster_sha256: bytes
    evaluation: Mapping[str, float]


def publish_release(
    home: CoopHome, candidate: Candidate, *, now: datetime.datetime, override: Override | None = None
) -> Manifest:
    """Sign a programme's model and make it the newest release; the same programme again changes nothing.

    The charter's rules on bias are judged first. What they keep back is released only with an override.

    The file is written first; the row in coop.db is what makes it a release. A crash before the row leaves
    a file that the next attempt replaces.

    Raises:
        PublishError: fewer participants than the charter's floor, or a model too large to release.
        ReleaseBlockedError: a rule on bias is broken or left open, and there is no override.
        OverrideError: the override is about something else, or too few signed it.
        FileAccessError: the disk is full; nothing was released.
    """
    charter = home.charter()
    model = candidate.state.to_bytes()
    if candidate.participants < charter.rounds.cohort_floor:
        raise PublishError(
            f"A round had {candidate.participants} stores, under the charter's floor of "
            f"{charter.rounds.cohort_floor}; the model is not released."
        )
    if len(model) > _MODEL_LIMIT_BYTES:
        raise PublishError("The model is larger than a release may be.")
    with closing(connect(home.database)) as connection, transaction(connection):
        _record_verdict(connection, charter, candidate)  # kept also of one that is kept back below
    with closing(connect(home.database)) as connection, transaction(connection):
        done = connection.execute(
            "SELECT manifest, signature FROM releases WHERE programme_id = ?", (candidate.programme_id,)
        ).fetchone()
        if done:
            return Manifest.from_document(done["manifest"])
        last = latest_manifest(connection)
        draft = _drafted(charter, candidate, last)
        bias = _let_out(judged(charter, candidate, last), charter, draft.unsigned_override(), override)
        created = now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        manifest = replace(draft, created=created, bias=bias)
        Manifest.from_document(manifest.document())  # what no store would accept is not released
        signed = SignedDocument.create(SignatureKind.RELEASE, manifest.to_dict(), home.coordinator_key())
        write_private(release_file(home, manifest.number), model)
        connection.execute(
            "INSERT INTO releases (number, programme_id, manifest, signature, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                manifest.number,
                candidate.programme_id,
                signed.document,
                signed.signature,
                int(now.timestamp()),
            ),
        )
        connection.execute(  # one that was kept back and is let out now
            "UPDATE programmes SET state = 'finished', failure = '' WHERE programme_id = ?"
            " AND state = 'failed'",
            (candidate.programme_id,),
        )
    return manifest


def _record_verdict(connection: sqlite3.Connection, charter: Charter, candidate: Candidate) -> None:
    """Keep what the rules on bias say of a candidate, unless it is a release already."""
    done = connection.execute(
        "SELECT 1 FROM releases WHERE programme_id = ?", (candidate.programme_id,)
    ).fetchone()
    report = None if done else judged(charter, candidate, latest_manifest(connection))
    if report is not None:
        record_verdict(connection, candidate.programme_id, report)


def judged(
    charter: Charter, candidate: Candidate, last: tuple[int, SignedDocument] | None
) -> BiasReport | None:
    """Judge a candidate by the charter's rules on bias; None where it has no rules and measures nothing.

    Args:
        charter: in force.
        candidate: to be released behind `last`.
        last: the newest release and its signed manifest, None when there is none.
    """
    before = None if last is None else Manifest.from_document(last[1].document)
    number, _ = _behind(last)
    previous = measured_before(before, charter)
    report = report_on(charter, candidate.state, number=number, previous=previous)
    return None if report.sums is None and not charter.bias_limits.rules else report


def release_named(
    charter: Charter, candidate: Candidate, last: tuple[int, SignedDocument] | None
) -> Override:
    """Return what an override of this candidate must be about; it has no rules, reason or signatures yet.

    Args:
        charter: in force.
        candidate: to be released behind `last`.
        last: the newest release and its signed manifest, None when there is none.
    """
    return _drafted(charter, candidate, last).unsigned_override()


def _drafted(charter: Charter, candidate: Candidate, last: tuple[int, SignedDocument] | None) -> Manifest:
    """Return the manifest of a candidate but for when it is released, and what was found of bias."""
    number, previous_sha256 = _behind(last)
    model = candidate.state.to_bytes()
    return Manifest(
        number=number,
        previous_sha256=previous_sha256,
        created="",
        coop_id=charter.coop.id,
        programme_id=candidate.programme_id,
        rounds=candidate.rounds,
        participants=candidate.participants,
        rung=charter.plan.rung,
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_bytes=len(model),
        schema_sha256=charter.plan.schema.sha256(),
        charter_sha256=charter.sha256().hex(),
        roster_sha256=candidate.roster_sha256.hex(),
        claims=check_promise(charter),
        noise=charter.privacy.noise,
        evaluation=candidate.evaluation,
    )


def _behind(last: tuple[int, SignedDocument] | None) -> tuple[int, str]:
    """Return the number of a release behind another, and the hash that names that one."""
    return (1, _NO_PREVIOUS) if last is None else (last[0] + 1, last[1].sha256().hex())


def _let_out(
    report: BiasReport | None, charter: Charter, named: Override, override: Override | None
) -> BiasReport | None:
    """Return the report of a candidate that may be released, with the override that lets it."""
    if report is None or report.verdict.is_pass:
        return report
    if override is None:
        said = ", ".join(f"{rule} ({outcome})" for rule, outcome in overridden_by(report.verdict).items())
        raise ReleaseBlockedError(
            f"The model is not released: it does not keep the charter's rules on bias: {said}.",
            next_step="See what was found: highstreet coop override show. Train again with more customers or "
            "other settings, or let two people whom the charter names override it.",
        )
    check_override(override, charter.bias_limits, report.verdict, wanted=named)
    return replace(report, override=override)


def release_file(home: CoopHome, number: int) -> Path:
    """Return where a release's model file is, or would be."""
    return home.releases / f"{number:06d}.safetensors"


def latest_manifest(connection: sqlite3.Connection) -> tuple[int, SignedDocument] | None:
    """Return the newest release's number and signed manifest, or None."""
    row = connection.execute(
        "SELECT number, manifest, signature FROM releases ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return None if row is None else (row["number"], _signed(row))


def manifest_before(connection: sqlite3.Connection, number: int) -> SignedDocument | None:
    """Return the signed manifest of the release before one, None where that was the first."""
    row = connection.execute(
        "SELECT manifest, signature FROM releases WHERE number = ?", (number - 1,)
    ).fetchone()
    return None if row is None else _signed(row)


def all_manifests(connection: sqlite3.Connection) -> list[Manifest]:
    """Return every release's manifest, oldest first."""
    rows = connection.execute("SELECT manifest FROM releases ORDER BY number")
    return [Manifest.from_document(row["manifest"]) for row in rows]


def signed_manifest(connection: sqlite3.Connection, number: int | None) -> SignedDocument:
    """Return a release's manifest as it was signed, of the newest one when no number is given.

    Raises:
        NoReleaseError: there is none.
    """
    row = connection.execute(
        "SELECT manifest, signature FROM releases"
        " WHERE number = coalesce(?, (SELECT max(number) FROM releases))",
        (number,),
    ).fetchone()
    if row is None:
        raise NoReleaseError(
            "There is no release yet." if number is None else f"There is no release {number}.",
            next_step="See which there are: highstreet coop releases.",
        )
    return _signed(row)


def _signed(row: sqlite3.Row) -> SignedDocument:
    return SignedDocument(kind=SignatureKind.RELEASE, document=row["manifest"], signature=row["signature"])
