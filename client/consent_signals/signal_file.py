"""A file of signals: whose it is, told by its columns, and what it says, before anything is saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from highstreet.audit.consent import Act, Channel, Purpose
from highstreet.audit.consent_signals import Signal, stricter_of_each
from highstreet.client.consent_signals import columns, klaviyo, mailchimp, shopify
from highstreet.client.consent_signals.json_text import read_json
from highstreet.client.consent_signals.reading import Reading, Remark
from highstreet.client.errors import FileNotUnderstoodError
from highstreet.client.importing.source import TextSource, examine
from highstreet.client.importing.table import Header, open_rows, read_header

__all__ = ["FoundSignals", "is_signal_table", "read_signal_file"]

_JSON_LIMIT_BYTES = 64 << 20
_MAX_SIGNALS = 1_000_000
#: What ends a consent, and what each is called.
_ENDS = {
    Act.REFUSED: "said no to",
    Act.WITHDRAWN: "took back a yes to",
    Act.OBJECTED: "objected to",
}
_CHANNEL_WORDS = {Channel.WEB: " on the web", Channel.SMS: " by text message"}

_Rows = Callable[[Mapping[str, str], int], Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSignals:
    """What a file says.

    Attributes:
        file_name: its name.
        kind: what an owner would call it.
        records: rows, or records of JSON.
        signals: proposed events, contradictory ones at one instant resolved to the stricter.
        remarks: what was not taken for an answer, and how often, the most frequent first.
    """

    file_name: str
    kind: str
    records: int
    signals: tuple[Signal, ...]
    remarks: tuple[tuple[Remark, int], ...]

    def in_words(self) -> list[str]:
        """Return sentences for a terminal or a page, the most telling first."""
        said = [f"{self.file_name}: this looks like {self.kind}. {_count(self.records, 'record')}."]
        people: dict[tuple[Purpose, Channel, Act], set[str]] = {}
        for signal in self.signals:
            key = (signal.purpose, signal.channel, signal.act)
            people.setdefault(key, set()).add(signal.customer_id)
        for (purpose, channel, act), names in sorted(people.items(), key=lambda item: str(item[0])):
            verb = "said yes to" if act is Act.GIVEN else _ENDS[act]
            where = _CHANNEL_WORDS.get(channel, "")
            said.append(f"{_count(len(names), 'person', 'people')} {verb} {purpose.plain_words}{where}.")
        if not people:
            said.append("Nothing in it answers any question here.")
        said += [f"Not taken for an answer: {count:,} with {remark}." for remark, count in self.remarks]
        granted = {purpose for purpose, _, act in people if act is Act.GIVEN}
        if Purpose.EMAIL_MARKETING in granted:
            said.append("A yes to offers by e-mail is no yes to personal suggestions or to learning.")
        return said


def read_signal_file(path: Path, *, now: datetime) -> FoundSignals:
    """Read a file through and say what it says; nothing is saved.

    Args:
        path: a CSV of Mailchimp, Klaviyo, Shopify's customers, or of `columns`; or JSON of Shopify's
            customers or orders or of Klaviyo's profiles.
        now: the present moment, aware.

    Raises:
        FileNotUnderstoodError: none of these.
    """
    source = examine(path)
    moment = round(now.astimezone(UTC).timestamp() * 1_000_000)
    if path.suffix.casefold() == ".json":
        kind, readings = _json_readings(path, source, moment)
    else:
        kind, readings = _table_readings(source, moment)
    signals: list[Signal] = []
    remarks: Counter[Remark] = Counter()
    records = 0
    for reading in readings:
        records += 1
        signals += reading.signals
        remarks.update(reading.remarks)
        if len(signals) > _MAX_SIGNALS:
            raise FileNotUnderstoodError(
                f"{path.name} has more than {_MAX_SIGNALS:,} answers.",
                next_step="Split it into several files.",
            )
    source.check_unchanged()
    return FoundSignals(
        file_name=path.name,
        kind=kind,
        records=records,
        signals=stricter_of_each(signals),
        remarks=tuple(remarks.most_common()),
    )


def is_signal_table(file_name: str, names: frozenset[str]) -> bool:
    """Say whether a table with these columns (in small letters) is one that `read_signal_file` reads."""
    return _kind_of(file_name, names) is not None


def _table_readings(source: TextSource, now: int) -> tuple[str, Iterator[Reading]]:
    header = read_header(source, is_known=lambda names: is_signal_table(source.path.name, names))
    found = _kind_of(source.path.name, frozenset(header.names))
    if found is None:
        raise FileNotUnderstoodError(
            f"{source.path.name} has no columns of a file of consents that is known here.",
            next_step="Give Mailchimp's, Klaviyo's or Shopify's own export, or a table with the columns"
            " customer_id, recorded_at and tc_string, sec_gpc or Consent Mode's signals.",
        )
    kind, read, names = found
    twice = sorted(name for name in names if header.names.count(name) > 1)
    if twice:
        raise FileNotUnderstoodError(
            f"{source.path.name} has the column {twice[0]} twice.",
            next_step="Remove or rename the one that is not meant.",
        )
    return kind, _rows(source, header, read, names, now)


def _rows(
    source: TextSource, header: Header, read: _Rows, names: tuple[str, ...], now: int
) -> Iterator[Reading]:
    places = [(name, header.names.index(name)) for name in names if name in header.names]
    with open_rows(source, header) as rows:
        for _, cells in rows:
            if len(cells) > len(header.names) and any(cells[len(header.names) :]):
                yield Reading(remarks=(Remark.UNREADABLE,))
                continue
            yield read({name: cells[place] for name, place in places if place < len(cells)}, now)


def _kind_of(file_name: str, names: frozenset[str]) -> tuple[str, _Rows, tuple[str, ...]] | None:
    if names >= mailchimp.REQUIRED:
        kind = mailchimp.list_of(file_name, names)
        words = f"Mailchimp's list of people {kind.plain_words}"
        return words, lambda row, now: mailchimp.read_row(row, kind, now=now), mailchimp.COLUMNS
    if names >= klaviyo.REQUIRED:
        return "a list of Klaviyo", lambda row, now: klaviyo.read_row(row, now=now), klaviyo.COLUMNS
    if names >= columns.REQUIRED and columns.SAYING & names:
        words = "a table of what visitors of a web page chose"
        return words, lambda row, now: columns.read_row(row, now=now), columns.COLUMNS
    if names >= shopify.EXPORT_REQUIRED:
        words = "a Shopify customers export"
        return words, lambda row, now: shopify.read_export_row(row, now=now), shopify.EXPORT_COLUMNS
    return None


def _json_readings(path: Path, source: TextSource, now: int) -> tuple[str, Iterator[Reading]]:
    if source.size_bytes > _JSON_LIMIT_BYTES:
        raise FileNotUnderstoodError(
            f"{path.name} is larger than 64 MiB.", next_step="Export it in several files."
        )
    value = read_json(path.read_text(encoding=source.encoding), limit_bytes=_JSON_LIMIT_BYTES)
    for name, kind, read in (
        ("customers", "customers of Shopify", shopify.read_customer),
        ("orders", "orders of Shopify", shopify.read_order),
        ("data", "profiles of Klaviyo", klaviyo.read_profile),
    ):
        records = value.get(name) if isinstance(value, dict) else None
        if isinstance(records, list):
            return kind, (read(each, now=now) for each in records)
    raise FileNotUnderstoodError(
        f"{path.name} is not JSON of customers, orders or profiles.",
        next_step='It is {"customers": [...]} or {"orders": [...]} (Shopify), or {"data": [...]} (Klaviyo).',
    )


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
