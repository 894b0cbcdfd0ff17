"""The root of every error Highstreet raises on purpose."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["HighstreetError"]


class HighstreetError(Exception):
    """Something a person can understand and act on.

    Subclasses name a fact (`BudgetExhaustedError`). The three parts are the answer given to a person: what
    happened, to what, and what to do next. No part may hold personal data, an update or a key.

    Attributes:
        what: what happened, and to what: one sentence.
        next_step: what to do next: one sentence, may be empty when nothing can be done.
    """

    #: With which a command ends that is refused so.
    exit_status: ClassVar[int] = 1

    what: str
    next_step: str

    def __init__(self, what: str, *, next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step

    def for_user(self) -> str:
        """Say what happened, to what, and what to do next, for a terminal or a page."""
        return f"{self.what} {self.next_step}".strip()
