"""What was left out of a file and why: counts and first line numbers, never a cell's content."""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.client.errors import TooManyProblemsError
from highstreet.client.importing.records import Problem

__all__ = ["ProblemCount", "Problems"]

_LINES_SHOWN = 10
#: Above this part of unreadable rows a file is taken for something else than it seems.
_LARGEST_UNREADABLE_PART = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCount:
    """How often one problem occurred, and on which lines first."""

    problem: Problem
    count: int
    first_lines: tuple[int, ...]

    def in_words(self) -> str:
        """Return for example `30 with no product code (lines 3, 9, 12 ...)`."""
        lines = ", ".join(f"{line:,}" for line in self.first_lines)
        more = " ..." if self.count > len(self.first_lines) else ""
        return f"{self.count:,} with {self.problem} (line{'s' if self.count > 1 else ''} {lines}{more})"


class Problems:
    """Collects problems while a file is read, in memory that does not grow with the file."""

    def __init__(self) -> None:
        self._counts: dict[Problem, int] = {}
        self._lines: dict[Problem, list[int]] = {}

    def add(self, problem: Problem, line: int) -> None:
        """Note one line that is left out."""
        self._counts[problem] = self._counts.get(problem, 0) + 1
        lines = self._lines.setdefault(problem, [])
        if len(lines) < _LINES_SHOWN:
            lines.append(line)

    @property
    def left_out(self) -> int:
        """How many lines are left out."""
        return sum(self._counts.values())

    def counts(self) -> tuple[ProblemCount, ...]:
        """Return every problem met, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            ProblemCount(problem=problem, count=count, first_lines=tuple(self._lines[problem]))
            for problem, count in ordered
        )

    def check(self, *, file_name: str, rows_read: int) -> None:
        """Refuse a file of which too large a part cannot be read.

        Raises:
            TooManyProblemsError: more than a fifth of its rows.
        """
        unreadable = [count for count in self.counts() if count.problem.is_unreadable]
        total = sum(count.count for count in unreadable)
        if total > _LARGEST_UNREADABLE_PART * rows_read:
            raise TooManyProblemsError(
                f"{total:,} of the {rows_read:,} rows of {file_name} cannot be read: "
                f"{'; '.join(count.in_words() for count in unreadable[:3])}. Nothing was saved.",
                next_step="Mend these lines or export the file again; a few such lines would be left out.",
            )
