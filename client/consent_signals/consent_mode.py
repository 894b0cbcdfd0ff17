"""Google Consent Mode v2: what a web page's `gtag('consent', ...)` call says, and what of it concerns a shop.

Only `update` is somebody's answer; `default` is the page's own preset. The advertising signals are about what
Google may do, not about this shop. `personalization_storage` is the one for suggestions ("storage related to
personalization such as video recommendations"), and with `analytics_storage` the one for this shop's own
model.
"""

from __future__ import annotations

from collections.abc import Mapping

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client.consent_signals.json_text import Repeated, read_json
from highstreet.client.consent_signals.moments import read_span
from highstreet.client.consent_signals.reading import Origin, Reading, Remark, no, origin_of, yes

__all__ = ["STATES", "read_consent_mode", "read_consent_mode_states"]

SOURCE = "google-consent-mode-v2"
#: Every signal of version 2.
STATES = (
    "ad_storage",
    "ad_user_data",
    "ad_personalization",
    "analytics_storage",
    "functionality_storage",
    "personalization_storage",
    "security_storage",
)
_NEEDED = {
    Purpose.SUGGESTIONS_HERE: ("personalization_storage",),
    Purpose.SHOP_MODEL: ("personalization_storage", "analytics_storage"),
}
_LIMIT_BYTES = 4096


def read_consent_mode_states(text: str) -> dict[str, object] | None:
    """Read the second argument of the call from JSON text; None when it is no object of at most 4 KiB."""
    value = read_json(text, limit_bytes=_LIMIT_BYTES)
    return value if isinstance(value, dict) else None


def read_consent_mode(
    command: str, states: Mapping[str, object], *, customer_id: str, at: str, now: int
) -> Reading:
    """Say what one call means.

    Args:
        command: `update`, or `default`, which nobody chose.
        states: signal to `granted` or `denied`; other names are passed over, a name given twice is `denied`
            if one of its values is.
        customer_id: who was logged in.
        at: when, as text; a yes without it is none.
        now: microseconds since 1970-01-01 UTC.
    """
    fields = {"command": command, "at": at, **{name: _words(states.get(name)) for name in STATES}}
    origin = origin_of(customer_id, SOURCE, fields, method=Method.SIGNAL, now=now)
    if origin is None:
        return Reading(remarks=(Remark.NO_CUSTOMER,))
    if command.strip() != "update":
        is_preset = command.strip() == "default"
        return Reading(remarks=(Remark.PRESET if is_preset else Remark.UNKNOWN_VALUE,))
    said = {name: _state(states.get(name)) for name in STATES}
    reading = Reading(remarks=(Remark.UNKNOWN_VALUE,) * sum(state == "unknown" for state in said.values()))
    for purpose, needed in _NEEDED.items():
        reading += _answer(origin, purpose, [said[name] for name in needed], at)
    return reading


def _answer(origin: Origin, purpose: Purpose, states: list[str], at: str) -> Reading:
    if "denied" in states:
        return no(origin, purpose, Channel.WEB, read_span(at), act=Act.REFUSED)
    if all(state == "granted" for state in states):
        return yes(origin, purpose, Channel.WEB, read_span(at))
    return Reading()


def _state(value: object) -> str:
    """Return granted, denied, absent or unknown."""
    if value is None or value == "":
        return "absent"
    if isinstance(value, Repeated):
        each = {_state(one) for one in value.values}
        return "denied" if "denied" in each else "granted" if each == {"granted"} else "unknown"
    if isinstance(value, str) and value.casefold() == "denied":
        return "denied"  # a no however it is written, a yes only in the one word
    return "granted" if value == "granted" else "unknown"


def _words(value: object) -> object:
    if isinstance(value, Repeated):
        return [_words(one) for one in value.values]
    return value if isinstance(value, str) else None
