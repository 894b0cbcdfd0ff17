"""Global Privacy Control: a browser's standing request not to sell or share its user's data.

W3C, Global Privacy Control, section 3 (Sec-GPC): the field's one value is `1`; everything else is as if it
were not there. It is about other parties, so it is an objection to learning together with the co-op and to
being matched, wherever the person shops; what this shop does for itself it does not speak of.
"""

from __future__ import annotations

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client.consent_signals.moments import read_span
from highstreet.client.consent_signals.reading import Reading, Remark, no, origin_of

__all__ = ["read_gpc"]

SOURCE = "global-privacy-control"
_SHARED_WITH_OTHERS = (Purpose.COOP_LEARNING, Purpose.MATCHING)
_PRESENT = frozenset({"1", "1.0", "true"})
_ABSENT = frozenset({"", "0", "0.0", "false"})


def read_gpc(value: str, *, customer_id: str, at: str, now: int) -> Reading:
    """Say what a Sec-GPC field of a logged-in customer's request means; it never grants anything.

    Args:
        value: of the field: `1`, or `true` as a page's `navigator.globalPrivacyControl` is written down;
            `1.0` is what spreadsheets and data frames make of it.
        customer_id: who was logged in.
        at: when, as text; without it, from now.
        now: microseconds since 1970-01-01 UTC.
    """
    said = value.strip().casefold()
    if said in _ABSENT:
        return Reading()
    if said not in _PRESENT:
        return Reading(remarks=(Remark.UNKNOWN_VALUE,))
    origin = origin_of(customer_id, SOURCE, {"sec-gpc": said, "at": at}, method=Method.SIGNAL, now=now)
    if origin is None:
        return Reading(remarks=(Remark.NO_CUSTOMER,))
    reading = Reading()
    for purpose in _SHARED_WITH_OTHERS:
        reading += no(origin, purpose, Channel.EVERYWHERE, read_span(at), act=Act.OBJECTED)
    return reading
