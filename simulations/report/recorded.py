"""What all parts of a run's record have in common: plain, frozen, and nothing in them that is not named."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Recorded"]


class Recorded(BaseModel):
    """A part of the record of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
