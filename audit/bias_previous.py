"""What the release before measured, for rules to compare with: by its own manifest, under one charter.

Under another charter customers may have counted by another weight and with other noise, and who holds only
the charter in force cannot check them: such figures are compared with by nobody. The coordinator that judges
a candidate and the store that judges it again ask here.
"""

from __future__ import annotations

from highstreet.audit.bias_report import PreviousSums
from highstreet.audit.charter import Charter
from highstreet.audit.manifest import Manifest

__all__ = ["measured_before"]


def measured_before(before: Manifest | None, charter: Charter) -> PreviousSums | None:
    """Return what the release before measured; None where there is none, or nothing to compare with.

    Args:
        before: its manifest, signature checked; None before the first release.
        charter: in force.
    """
    if before is None or before.bias is None or before.bias.sums is None:
        return None
    if before.charter_sha256 != charter.sha256().hex():
        return None
    return PreviousSums(number=before.number, sums=before.bias.sums)
