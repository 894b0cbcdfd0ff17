"""What customers were exposed to, by the store's ledgers: for a record of their data, or a certificate.

A store that was restored has a ledger for each time; what any of them knows is counted, a round that two
copies of one ledger know of once. What was spent between a backup and its restoration none of them knows, and
an older copy of the vault that was accepted may lack the names that customers have there: after either every
figure is the least there can have been, and says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import date

from highstreet.client.config import read_config
from highstreet.client.errors import LedgerError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger, Participation
from highstreet.client.ledger_entries import ExposedRound
from highstreet.client.pseudonyms import known_names
from highstreet.client.vault import Vault
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.budget import Budget, fit, window_start
from highstreet.privacy.releases import customer_release

__all__ = ["Exposure", "exposures_of"]

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one customer was exposed to, by all ledgers of the store.

    Attributes:
        rounds: all there ever were, oldest first.
        epsilon: the loss of all of them together, at the budget's delta.
        epsilon_in_period: of those in the period that ends today.
        counted_epsilon: of all rounds of the period, whoever took part: nobody lost more in it.
        delta: of all three.
        period_days: of the budget.
        is_least: the store was restored once, or an older copy of its vault accepted, and what was forgotten
            then is in none of the figures.
    """

    rounds: tuple[ExposedRound, ...]
    epsilon: float
    epsilon_in_period: float
    counted_epsilon: float
    delta: float
    period_days: int
    is_least: bool


def exposures_of(home: StoreHome, vault: Vault, customers: Sequence[int], *, today: date) -> list[Exposure]:
    """Return what each of some customers (row keys) was exposed to, in their order.

    Entries from before there were pseudonyms are found by the row key. A ledger that was put aside and is
    damaged adds nothing.

    Raises:
        LedgerError: the ledger in use cannot be trusted or read.
        StoreConfigError: the shop's limits cannot be read.
    """
    limits = read_config(home).limits
    budget = Budget(epsilon=limits.max_epsilon, delta=limits.delta, period_days=limits.period_days)
    names = known_names(vault, customers)
    asked = [
        (str(customer), names[customer]) if customer in names else (str(customer),) for customer in customers
    ]
    with vault.read() as connection:
        (was_accepted,) = connection.execute("SELECT was_accepted FROM consent_anchor").fetchone()
    found = _exposures(list(_participations(home, asked)), len(asked), budget, today=today)
    return [replace(each, is_least=each.is_least or bool(was_accepted)) for each in found]


def _participations(home: StoreHome, asked: Sequence[Collection[str]]) -> Iterable[Participation]:
    for aside in sorted(home.former.glob("*-ledger-*")):
        with suppress(LedgerError), closing(Ledger.open_put_aside(aside / home.ledger.name)) as ledger:
            yield ledger.participation(asked)
    if home.ledger.exists():
        with closing(Ledger.open(home.ledger)) as ledger:
            yield ledger.participation(asked)


def _exposures(found: Sequence[Participation], people: int, budget: Budget, *, today: date) -> list[Exposure]:
    rounds: dict[bytes, ExposedRound] = {}
    for each in found:
        rounds |= each.rounds
    latest = max([(today - _EPOCH).days, *(each.latest_day for each in found)])
    start = window_start(latest, budget.period_days)
    past = frozenset(digest for digest, each in rounds.items() if each.day >= start)
    losses: dict[frozenset[bytes], float] = {}

    def loss(history: frozenset[bytes]) -> float:
        if history not in losses:
            losses[history] = _loss(history, rounds, budget)
        return losses[history]

    histories = [frozenset().union(*(each.of_customers[place] for each in found)) for place in range(people)]
    return [
        Exposure(
            rounds=tuple(sorted((rounds[digest] for digest in history), key=_age)),
            epsilon=loss(history),
            epsilon_in_period=loss(history & past),
            counted_epsilon=loss(past),
            delta=budget.delta,
            period_days=budget.period_days,
            is_least=any(each.is_restored for each in found),
        )
        for history in histories
    ]


def _loss(history: Collection[bytes], rounds: Mapping[bytes, ExposedRound], budget: Budget) -> float:
    releases = [
        customer_release(noise_multiplier=each.noise_multiplier, sampling_rate=each.sampling_rate)
        for each in (rounds[digest] for digest in sorted(history))
    ]
    return fit(releases, (), budget, PldAccountant()).epsilon


def _age(each: ExposedRound) -> tuple[int, str, int]:
    return each.day, each.programme_id, each.phase
