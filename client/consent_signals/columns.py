"""A table of signals that a shop's own web page wrote down: one row per customer and visit.

`customer_id` and `recorded_at`, and any of: `tc_string`, `sec_gpc`, and Consent Mode's signals by their
names with `consent_mode_command` (a row without it is taken for a preset, which grants nothing).
"""

from __future__ import annotations

from collections.abc import Mapping

from highstreet.client.consent_signals import consent_mode, gpc, tcf
from highstreet.client.consent_signals.reading import Reading

__all__ = ["COLUMNS", "REQUIRED", "SAYING", "read_row"]

#: Column names without which a file is not of this kind; at least one of `SAYING` must be there too.
REQUIRED = frozenset({"customer_id", "recorded_at"})
#: Columns that say something.
SAYING = frozenset({"tc_string", "sec_gpc", *consent_mode.STATES})
#: Columns that are read; all others are not.
COLUMNS = ("customer_id", "recorded_at", "consent_mode_command", *sorted(SAYING))


def read_row(row: Mapping[str, str], *, now: int) -> Reading:
    """Say what one row means; two columns that contradict each other both stay, and the stricter counts.

    Args:
        row: cells by column name in small letters.
        now: microseconds since 1970-01-01 UTC.
    """
    cells = {name: row.get(name, "").strip() for name in COLUMNS}
    customer_id, at = cells["customer_id"], cells["recorded_at"]
    reading = Reading()
    states = {name: cells[name] for name in consent_mode.STATES if cells[name]}
    if states:
        command = cells["consent_mode_command"].casefold() or "default"
        reading += consent_mode.read_consent_mode(command, states, customer_id=customer_id, at=at, now=now)
    if cells["tc_string"]:
        reading += tcf.read_tc_string(cells["tc_string"], customer_id=customer_id, now=now)
    if cells["sec_gpc"]:
        reading += gpc.read_gpc(cells["sec_gpc"], customer_id=customer_id, at=at, now=now)
    return reading
