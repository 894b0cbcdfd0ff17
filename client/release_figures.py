"""What a release says in figures, held to its model, to its charter, and to the release before."""

from __future__ import annotations

from collections.abc import Iterable

from highstreet.audit.bias_previous import measured_before
from highstreet.audit.bias_report import PreviousSums, check_report
from highstreet.audit.charter import Charter
from highstreet.audit.errors import AuditError
from highstreet.audit.manifest import Manifest
from highstreet.audit.released_noise import refuse_other_noise, refuse_other_stddev
from highstreet.audit.scorecard import are_same_figures, released_scorecard
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.errors import ReleaseRefusedError
from highstreet.models.state import SharedState

__all__ = ["measured_by_the_one_before", "refuse_by_its_figures", "refused_release"]


def refuse_by_its_figures(
    charter: Charter, manifest: Manifest, state: SharedState, *, known_previous: PreviousSums | None
) -> None:
    """Return only when a release's figures are its model's, and keep the charter's rules or are overridden.

    The noise that the model tells of is what the charter puts there; the manifest's figures of quality and on
    bias follow from the model's own arrays; the verdict follows from the figures.

    Args:
        charter: as agreed to.
        manifest: of the release.
        state: the model itself, whose hash was signed.
        known_previous: what the release before measured; see `measured_by_the_one_before`.

    Raises:
        ReleaseRefusedError: naming what does not fit, or the rules that keep it back.
    """
    try:
        refuse_other_noise(charter, state, participants=manifest.participants)
    except AuditError as error:
        raise refused_release(manifest.number, error.what) from error
    if not are_same_figures(manifest.evaluation, released_scorecard(charter, state)):
        raise refused_release(manifest.number, "its figures of quality are not those of its model")
    try:
        check_report(
            manifest.bias,
            charter,
            state,
            number=manifest.number,
            wanted=manifest.unsigned_override(),
            known_previous=known_previous,
        )
    except AuditError as error:
        raise refused_release(manifest.number, f"of the rules on bias: {error.what}") from error


def measured_by_the_one_before(
    charter: Charter, coordinator_key: bytes, manifest: Manifest, shown: Iterable[SignedDocument]
) -> PreviousSums | None:
    """Return what the release before measured, by the very manifest that `manifest` names by its hash.

    Of a release before that nobody can show, no figure is believed; nor is any whose noise is said to be
    other than the charter puts there.

    Args:
        charter: as agreed to.
        coordinator_key: that signs manifests.
        manifest: of the release, signature checked.
        shown: manifests that may be the one before, signatures not checked.

    Raises:
        ReleaseRefusedError: there is a report on bias, and no such manifest; or it cannot be believed.
    """
    if manifest.bias is None or manifest.number == 1:
        return None
    for signed in shown:
        if signed.sha256().hex() != manifest.previous_sha256:
            continue
        try:
            signed.verify(SignatureKind.RELEASE, coordinator_key)
            before = Manifest.from_document(signed.document)
        except AuditError as error:
            raise refused_release(manifest.number, "the manifest of the one before cannot be used") from error
        if before.number != manifest.number - 1 or before.coop_id != manifest.coop_id:
            break
        previous = measured_before(before, charter)
        try:
            if previous is not None:
                stddev = previous.sums.stddev
                refuse_other_stddev(charter, "bias", stddev, participants=before.participants)
        except AuditError as error:
            raise refused_release(manifest.number, f"of the one before: {error.what}") from error
        return previous
    raise refused_release(manifest.number, "nobody can show the manifest of the one before, which it names")


def refused_release(number: int, reason: str) -> ReleaseRefusedError:
    """Return the error of a release that is not used; 0 where its number is not known."""
    name = f"Release {number}" if number else "A release"
    return ReleaseRefusedError(
        f"{name} was refused: {reason.removesuffix('.')}. Nothing was changed.",
        next_step="The one in use stays. If it happens again, tell the coordinator.",
    )
