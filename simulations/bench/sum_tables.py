"""Tables of measured secure sums: ratios to Highstreet's, and the figures of every side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from highstreet.simulations.bench.sum_case import Role, RoundCost, SumCase
from highstreet.simulations.bench.sum_measure import Taken, best
from highstreet.simulations.bench.sum_sides import OURS, SIDES
from highstreet.simulations.replay_tables import Table

__all__ = ["Measured", "tables_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All sides on one case.

    Attributes:
        case: what was measured on.
        commit: of the code.
        load: average of the machine in the last minute of the run.
        taken: by side.
    """

    case: SumCase
    commit: str
    load: float
    taken: Mapping[str, Taken]


def tables_of(found: Sequence[Measured]) -> tuple[Table, ...]:
    """Return the tables of the report."""
    return _ratios(found), _seconds(found), _sizes(found)


def _contributor(cost: RoundCost) -> float:
    return cost.roles[Role.CONTRIBUTOR].processor_seconds


def _with_a_seat(cost: RoundCost) -> float:
    """Seconds of the busiest store: for its own vector, and with the seat that takes longest."""
    seat = cost.roles.get(Role.COMMITTEE)
    return _contributor(cost) + (seat.most_processor_seconds if seat else 0.0)


def _coordinator(cost: RoundCost) -> float:
    return cost.roles[Role.COORDINATOR].processor_seconds + _opening(cost)


def _opening(cost: RoundCost) -> float:
    return cost.roles[Role.OPENING].processor_seconds


def _everybody(cost: RoundCost) -> float:
    return cost.total("processor_seconds")


def _up(cost: RoundCost) -> float:
    return cost.roles[Role.CONTRIBUTOR].bytes_up


def _up_with_a_seat(cost: RoundCost) -> float:
    seat = cost.roles.get(Role.COMMITTEE)
    return _up(cost) + (seat.bytes_up if seat else 0.0)


def _up_on_average(cost: RoundCost) -> float:
    return cost.total("bytes_up") / cost.roles[Role.CONTRIBUTOR].parties


def _down_with_a_seat(cost: RoundCost) -> float:
    seat = cost.roles.get(Role.COMMITTEE)
    return cost.roles[Role.CONTRIBUTOR].bytes_down + (seat.most_bytes_down if seat else 0)


_RATIOS: dict[str, Callable[[RoundCost], float]] = {
    "contributor": _contributor,
    "busiest store": _with_a_seat,
    "coordinator": _coordinator,
    "its last step": _opening,
    "everybody": _everybody,
    "bytes up, contributor": _up,
    "bytes up, with a seat": _up_with_a_seat,
    "bytes up, average": _up_on_average,
    "memory": lambda cost: float(cost.grown_bytes),
}


def _ratios(found: Sequence[Measured]) -> Table:
    rows = []
    for each in found:
        ours = each.taken[OURS]
        for name, taken in each.taken.items():
            if name.startswith("ours") or not (taken.rounds and ours.rounds):
                continue
            cells = [_over(of(best(taken.rounds)), of(best(ours.rounds))) for of in _RATIOS.values()]
            rows.append((_case(each.case), SIDES[name].title, *cells))
    return Table(
        title=f"SecAgg+ over {SIDES[OURS].title}",
        words=(
            "Above 1: SecAgg+ takes more. The first five are seconds; the busiest store is one with a seat "
            "here, any store there. The bars: 10x the seconds, and no fewer than 1x the bytes up."
        ),
        head=("case", "against", *_RATIOS),
        rows=tuple(rows),
    )


def _seconds(found: Sequence[Measured]) -> Table:
    rows: list[tuple[str, ...]] = []
    for each in found:
        for name, taken in each.taken.items():
            start = (_case(each.case), SIDES[name].title)
            if not taken.rounds:
                rows.append((*start, *[""] * 5, taken.left_out))
                continue
            cost = best(taken.rounds)
            seat = cost.roles.get(Role.COMMITTEE)
            figures = (
                _contributor(cost),
                seat.processor_seconds if seat else None,
                cost.roles[Role.COORDINATOR].processor_seconds,
                _opening(cost),
                _everybody(cost),
            )
            rows.append((*start, *map(_three, figures), f"{len(taken.rounds)}"))
    return Table(
        title="Seconds",
        words="Of a contributor, of a seat besides, of the coordinator before and in its last step, of all.",
        head=("case", "side", "contributor", "seat", "coordinator", "opening", "everybody", "rounds"),
        rows=tuple(rows),
    )


def _sizes(found: Sequence[Measured]) -> Table:
    rows = []
    for each in found:
        for name, taken in each.taken.items():
            if not taken.rounds:
                continue
            cost = best(taken.rounds)
            seat = cost.roles.get(Role.COMMITTEE)
            sent = cost.roles[Role.CONTRIBUTOR].messages
            rows.append(
                (
                    _case(each.case),
                    SIDES[name].title,
                    *(
                        f"{size / 1e6:.3f}"
                        for size in (
                            _up(cost),
                            _up_with_a_seat(cost),
                            _up_on_average(cost),
                            cost.roles[Role.CONTRIBUTOR].bytes_down,
                            _down_with_a_seat(cost),
                        )
                    ),
                    f"{sent:.0f}" + (f"; {sent + seat.messages:.0f}" if seat else ""),
                    f"{cost.grown_bytes / 1e6:.0f}",
                )
            )
    return Table(
        title="Sizes",
        words=(
            "Megabytes. Up: of a contributor, of one with a seat, average over the stores; down: to a "
            "contributor, to the seat that gets most. Memory: most beyond what the program held before the "
            "round, of all parties together."
        ),
        head=(
            "case",
            "side",
            "up",
            "up, with a seat",
            "up, average",
            "down",
            "down, with a seat",
            "messages of a store; with a seat",
            "memory",
        ),
        rows=tuple(rows),
    )


def _over(theirs: float, ours: float) -> str:
    return f"{theirs / ours:.2f}x" if ours > 0 else "-"


def _case(case: SumCase) -> str:
    return f"n = {case.stores}, d = {case.dimension:,}"


def _three(value: float | None) -> str:
    """Return three significant digits, or nothing."""
    return "-" if value is None else f"{value:.3g}"
