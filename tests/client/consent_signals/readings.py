"""The moments, purposes and marketing consents that foreign values are read about."""

from __future__ import annotations

from datetime import UTC, datetime

from highstreet.audit.consent import Act, Channel, Purpose
from highstreet.client.consent_signals.reading import Reading, Remark

NOW = round(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
AT = "2026-03-01T09:00:00Z"
AT_MICRO = round(datetime(2026, 3, 1, 9, tzinfo=UTC).timestamp()) * 1_000_000
LATER = "2027-03-01T09:00:00Z"
HOUR = 3_600_000_000

EMAIL = (Purpose.EMAIL_MARKETING, Channel.EMAIL)
SMS = (Purpose.EMAIL_MARKETING, Channel.SMS)
SUGGEST = (Purpose.SUGGESTIONS_HERE, Channel.WEB)
MODEL = (Purpose.SHOP_MODEL, Channel.WEB)
Said = dict[tuple[Purpose, Channel], Act]


def said(reading: Reading) -> Said:
    return {(signal.purpose, signal.channel): signal.act for signal in reading.signals}


def only(remark: Remark) -> Reading:
    return Reading(remarks=(remark,))


def marketing(state: object, level: object = "confirmed_opt_in", at: object = AT) -> dict[str, object]:
    return {"state": state, "opt_in_level": level, "consent_updated_at": at, "collected_from": "OTHER"}
