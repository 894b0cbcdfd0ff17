"""Logged releases: whether what a log says of releases, their verdicts and overrides can all be so."""

from __future__ import annotations

from collections.abc import Iterator

from highstreet.audit.log_entries import EntryKind, LogEntry

__all__ = ["LoggedReleases"]


class LoggedReleases:
    """What stands in a log so far of releases; entries are given in their order."""

    def __init__(self) -> None:
        self._published: dict[object, int] = {}
        self._verdicts: dict[object, object] = {}
        self._overridden: set[object] = set()

    def complaints(self, number: int, entry: LogEntry) -> Iterator[tuple[str, str]]:
        """Take the next entry; yield what is wrong with it and what to do, a sentence each.

        Each release has one manifest: two for one number would be for different stores. And what the rules
        on bias keep back is let out by an override alone, which is written before the release.

        Args:
            number: of the entry, counted from 1.
            entry: of the log.
        """
        kind, body = entry.draft.kind, entry.draft.body
        programme = body.get("programme_id")
        if kind is EntryKind.VERDICT:
            self._verdicts[programme] = body["verdict"]
        elif kind is EntryKind.OVERRIDE:
            self._overridden.add(programme)
        elif kind is EntryKind.RELEASE and body["step"] == "published":
            first = self._published.setdefault(body["number"], number)
            if first != number:
                yield (
                    f"It publishes release {body['number']}, as entry {first} did, with another manifest.",
                    "Ask other members which of the two their stores use: `highstreet store promise`.",
                )
            verdict = self._verdicts.get(programme, "pass")
            if verdict != "pass" and programme not in self._overridden:
                yield (
                    f"It publishes release {body['number']}, on which the verdict was {verdict}, and no "
                    "override of that training stands before it.",
                    "Ask other members whether their stores use it, and who let it out: "
                    "`highstreet store status`.",
                )
