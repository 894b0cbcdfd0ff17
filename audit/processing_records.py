"""Records of processing activities (GDPR, Article 30), filled in as far as a program can know.

What it cannot know is a blank with the question to answer, never a guess: the ground of keeping orders, a
data protection officer, what is done about the disk. Security measures are listed as found on or off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.canonical import Json

__all__ = ["Activity", "Blank", "Entry", "Measure", "MeasureState", "ProcessingRecords"]


@dataclass(frozen=True, slots=True)
class Blank:
    """Something only the controller can say.

    Attributes:
        question: to be answered.
    """

    question: str


Entry = str | Blank


class MeasureState(StrEnum):
    """Whether a security measure was found working when the record was made."""

    ON = "on"
    OFF = "off"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One technical or organisational measure.

    Attributes:
        what: it does.
        state: as found.
        found: what was looked at, with figures.
    """

    what: str
    state: MeasureState
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One processing activity; the letters are those of Article 30(1).

    Attributes:
        name: of the activity.
        purposes: (b).
        ground: Article 6 or 9; not asked for by Article 30, but by everybody who reads a record.
        data_subjects, data_categories: (c).
        recipients: (d).
        transfers: (e).
        retention: (f).
    """

    name: str
    purposes: tuple[Entry, ...]
    ground: tuple[Entry, ...]
    data_subjects: tuple[Entry, ...]
    data_categories: tuple[Entry, ...]
    recipients: tuple[Entry, ...]
    transfers: tuple[Entry, ...]
    retention: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingRecords:
    """The records of one controller, from one installation.

    Attributes:
        made_at: UTC, YYYY-MM-DDTHH:MM:SSZ.
        whose: a shop's or a coordinator's, in words.
        controller: (a), name of the field -> entry.
        activities: in the order to show.
        measures: (g).
    """

    made_at: str
    whose: str
    controller: Mapping[str, Entry]
    activities: tuple[Activity, ...]
    measures: tuple[Measure, ...]

    @property
    def blanks(self) -> tuple[str, ...]:
        """Every question that is left to the controller, each once."""
        entries = [*self.controller.values()]
        for activity in self.activities:
            for listed in _listed(activity).values():
                entries += listed
        found = [entry.question for entry in entries if isinstance(entry, Blank)]
        found += [each.what for each in self.measures if each.state is MeasureState.NOT_KNOWN]
        return tuple(dict.fromkeys(found))

    def to_dict(self) -> dict[str, Json]:
        """Return plain values; a blank is an object with the question: no program takes it for a text."""
        return {
            "format": "highstreet records of processing 1",
            "made_at": self.made_at,
            "whose": self.whose,
            "controller": {name: _plain(entry) for name, entry in self.controller.items()},
            "activities": [_activity(activity) for activity in self.activities],
            "security_measures": [
                {"what": each.what, "state": each.state.value, "found": each.found} for each in self.measures
            ],
            "blanks": list(self.blanks),
        }


def _listed(activity: Activity) -> dict[str, tuple[Entry, ...]]:
    return {
        "purposes": activity.purposes,
        "ground": activity.ground,
        "data_subjects": activity.data_subjects,
        "data_categories": activity.data_categories,
        "recipients": activity.recipients,
        "transfers": activity.transfers,
        "retention": activity.retention,
    }


def _activity(activity: Activity) -> Json:
    listed = {name: [_plain(entry) for entry in entries] for name, entries in _listed(activity).items()}
    return {"name": activity.name, **listed}


def _plain(entry: Entry) -> Json:
    return {"blank": entry.question} if isinstance(entry, Blank) else entry
