"""Refusals of the ledger: why a round is not opened, by releases opened before and nothing of customers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta

from highstreet.client.errors import RestoredError
from highstreet.client.ledger_rows import releases_since, restored_on
from highstreet.privacy.accountant import Accountant
from highstreet.privacy.budget import Budget, SpendingLimits, fit, window_start
from highstreet.privacy.errors import BudgetExhaustedError
from highstreet.privacy.releases import GaussianRelease

__all__ = ["refuse_beyond", "refuse_while_out"]

_EPOCH = date(1970, 1, 1)


def refuse_while_out(connection: sqlite3.Connection, day: int, budget: Budget) -> None:
    """Refuse while spends that a restoration forgot may still count.

    Args:
        connection: of the ledger, in a transaction.
        day: today, in days since 1970-01-01.
        budget: the one that a spend counts against for longest.

    Raises:
        RestoredError: they may.
    """
    latest = restored_on(connection)
    if latest is not None and window_start(day, budget.period_days) <= latest:
        ends = _EPOCH + timedelta(days=latest + budget.period_days)
        raise RestoredError(
            f"This shop was restored and stays out of rounds until {ends}; nothing was spent.",
            next_step="Nothing has to be done. Suggestions go on from the shop's own customers.",
        )


def refuse_beyond(
    connection: sqlite3.Connection,
    day: int,
    limits: SpendingLimits,
    new: Sequence[GaussianRelease],
    accountant: Accountant,
) -> None:
    """Refuse what a customer who took part in all of the past could not afford; ask about nobody.

    Args:
        connection: of the ledger, in a transaction.
        day: today, in days since 1970-01-01.
        limits: each of its budgets holds.
        new: the release asked for, and those that follow it.
        accountant: the one whose figures are claimed.

    Raises:
        BudgetExhaustedError: one of the budgets would be exceeded.
    """
    for budget in limits.budgets:
        past = releases_since(connection, window_start(day, budget.period_days))
        wanted = fit(past.values(), new, budget, accountant)
        if not wanted.is_within:
            raise BudgetExhaustedError(
                epsilon=wanted.epsilon,
                budget_epsilon=budget.epsilon,
                delta=budget.delta,
                period_days=budget.period_days,
                is_promised=budget is limits.promised,
            )
