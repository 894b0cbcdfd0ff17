"""The shops' own figures taken together, weighted by how many customers each judged.

A real co-op does not collect these: the demo can, because all shops are on this machine. Shops are taken as
independent; a household in two of the sample's shops counts in both, so the intervals are a little narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from highstreet.simulations.demo.answers import count, number, rows, table, text
from highstreet.simulations.report.record import Estimate, Evaluation, Gain, Method

__all__ = ["evaluation", "pool", "together"]

Answer = Mapping[str, object]


def evaluation(answer: Answer) -> Evaluation:
    """Read what `store evaluate --json` answered."""
    return Evaluation(
        customers=count(answer, "customers"),
        customers_novel=count(answer, "customers_novel"),
        methods=tuple(_method(each, *_both(each)) for each in rows(answer, "methods")),
        gains=tuple(_gain(each, *_both(each)) for each in rows(answer, "gains")),
    )


def together(answers: Sequence[Answer]) -> Evaluation | None:
    """Pool the answers of all shops; None when there are none."""
    if not answers:
        return None

    def pooled(list_name: str, place: int, figure: str) -> Estimate | None:
        return pool([found for each in answers if (found := rows(each, list_name)[place].get(figure))])

    first = answers[0]
    return Evaluation(
        customers=sum(count(each, "customers") for each in answers),
        customers_novel=sum(count(each, "customers_novel") for each in answers),
        methods=tuple(
            _method(entry, pooled("methods", place, "all_items"), pooled("methods", place, "novel"))
            for place, entry in enumerate(rows(first, "methods"))
        ),
        gains=tuple(
            _gain(entry, pooled("gains", place, "all_items"), pooled("gains", place, "novel"))
            for place, entry in enumerate(rows(first, "gains"))
        ),
    )


def pool(figures: Sequence[object]) -> Estimate | None:
    """Return the mean over all customers with its 95 % interval, from each shop's mean, interval and count.

    A shop without an interval (one customer) counts in the mean only.

    >>> pool([{"value": 1, "low": 0, "high": 2, "units": 1}, {"value": 3, "low": 3, "high": 3, "units": 1}])
    Estimate(value=2.0, low=1.5, high=2.5)
    """
    units = [count(table(each), "units") for each in figures]
    total = sum(units)
    if not total:
        return None
    mean = sum(number(each, "value") * size for each, size in zip(figures, units, strict=True)) / total
    halves = [_half_width(table(each)) * size for each, size in zip(figures, units, strict=True)]
    reach = float(sum(half**2 for half in halves) ** 0.5 / total)
    return Estimate(value=mean, low=mean - reach, high=mean + reach)


def _half_width(figure: Answer) -> float:
    if figure.get("low") is None or figure.get("high") is None:
        return 0.0
    return (number(figure, "high") - number(figure, "low")) / 2


def _one(entry: Answer, name: str) -> Estimate | None:
    figure = entry.get(name)
    if figure is None:
        return None
    plain = table(figure)
    return Estimate.model_validate({key: plain.get(key) for key in ("value", "low", "high")})


def _both(entry: Answer) -> tuple[Estimate | None, Estimate | None]:
    return _one(entry, "all_items"), _one(entry, "novel")


def _method(entry: Answer, all_items: Estimate | None, novel: Estimate | None) -> Method:
    plain = {name: text(entry, name) for name in ("name", "label", "role")}
    return Method.model_validate({**plain, "all_items": all_items, "novel": novel})


def _gain(entry: Answer, all_items: Estimate | None, novel: Estimate | None) -> Gain:
    return Gain(against=text(entry, "against"), label=text(entry, "label"), all_items=all_items, novel=novel)
