"""Costs of a secure sum: what it is measured on, and seconds, bytes and messages of each kind of party."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["REACH", "STEPS", "Role", "RoleCost", "RoundCost", "SumCase", "Tally"]

#: Vectors lie within -REACH .. REACH and are put on a grid of STEPS steps: what SecAgg+ does unless told
#: otherwise, and what both sides do here.
REACH, STEPS = 8.0, 1 << 22


class Role(StrEnum):
    """Who does a piece of work.

    CONTRIBUTOR is every store, for its own vector. COMMITTEE is a store with a seat, for what it does beyond
    its own contribution. COORDINATOR is everything of the coordinator's but the last step; OPENING is that:
    from the last message to the sum.
    """

    CONTRIBUTOR = "contributor"
    COMMITTEE = "committee"
    COORDINATOR = "coordinator"
    OPENING = "opening"


@dataclass(frozen=True, slots=True, kw_only=True)
class SumCase:
    """Size of one measurement.

    Attributes:
        stores: n, all of which contribute.
        dimension: d, coordinates of each vector.
    """

    stores: int
    dimension: int

    def vector(self, store: int) -> NDArray[np.float32]:
        """Return a store's vector, the same for every side, uniform in -1 .. 1."""
        drawn = np.random.default_rng([self.dimension, store]).random(self.dimension, dtype=np.float32)
        return 2 * drawn - 1

    def mean(self) -> NDArray[np.float64]:
        """Return the mean of the vectors, added up without any protocol."""
        total = np.zeros(self.dimension)
        for store in range(self.stores):
            total += self.vector(store)
        return total / self.stores


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCost:
    """What one party of a role spent, mean over the parties.

    Attributes:
        parties: of this role.
        processor_seconds: of one; waiting is not in it.
        most_processor_seconds: of the party that spent the most.
        seconds: by the clock.
        bytes_up: sent by one; bytes_down: received, the vectors' model not counted.
        most_bytes_down: received by the party that received the most.
        messages: sent by one.
    """

    parties: int
    processor_seconds: float
    most_processor_seconds: float
    seconds: float
    bytes_up: float
    bytes_down: float
    most_bytes_down: int
    messages: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCost:
    """What one round cost, all parties in one process.

    Attributes:
        roles: by role.
        error: largest deviation of a coordinate of the mean from the true one.
        grown_bytes: most resident memory beyond what the program held before the round.
    """

    roles: dict[Role, RoleCost]
    error: float
    grown_bytes: int

    def total(self, kind: str) -> float:
        """Return the sum over all parties of `processor_seconds`, `seconds`, `bytes_up` or `messages`."""
        return sum(cost.parties * float(getattr(cost, kind)) for cost in self.roles.values())


@dataclass(slots=True)
class _Spent:
    """What one party spent so far."""

    processor: float = 0.0
    clock: float = 0.0
    up: int = 0
    down: int = 0
    messages: int = 0


@dataclass(slots=True)
class Tally:
    """Adds up what parties spend while a round is run."""

    _spent: dict[tuple[Role, object], _Spent] = field(default_factory=dict)

    @contextmanager
    def at_work(self, role: Role, party: object = 0) -> Iterator[None]:
        """Count the time within to this party."""
        clock, processor = time.perf_counter(), time.process_time()
        yield
        self.add(role, party, time.process_time() - processor, time.perf_counter() - clock)

    def add(self, role: Role, party: object, processor: float, clock: float) -> None:
        """Count so many seconds to this party; negative ones were counted to it and are another's."""
        spent = self._of(role, party)
        spent.processor += processor
        spent.clock += clock

    def sent(self, role: Role, party: object, size: int) -> None:
        """Count a message from this party to the coordinator."""
        spent = self._of(role, party)
        spent.up += size
        spent.messages += 1

    def received(self, role: Role, party: object, size: int) -> None:
        """Count a message from the coordinator to this party."""
        self._of(role, party).down += size

    def seconds(self) -> tuple[float, float]:
        """Return processor and clock seconds of everybody so far."""
        each = self._spent.values()
        return sum(one.processor for one in each), sum(one.clock for one in each)

    def costs(self) -> dict[Role, RoleCost]:
        """Return the means by role."""
        return {role: self._cost(role) for role in Role if any(found == role for found, _ in self._spent)}

    def _cost(self, role: Role) -> RoleCost:
        all_of = [spent for (found, _), spent in self._spent.items() if found == role]
        count = len(all_of)
        return RoleCost(
            parties=count,
            processor_seconds=sum(one.processor for one in all_of) / count,
            most_processor_seconds=max(one.processor for one in all_of),
            seconds=sum(one.clock for one in all_of) / count,
            bytes_up=sum(one.up for one in all_of) / count,
            bytes_down=sum(one.down for one in all_of) / count,
            most_bytes_down=max(one.down for one in all_of),
            messages=sum(one.messages for one in all_of) / count,
        )

    def _of(self, role: Role, party: object) -> _Spent:
        return self._spent.setdefault((role, party), _Spent())
