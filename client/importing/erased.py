"""Rows of customers who were erased: an export from before does not bring them back."""

from __future__ import annotations

from highstreet.client.erasure_register import ErasureRegister
from highstreet.client.importing.problems import Problems
from highstreet.client.importing.records import Problem
from highstreet.client.importing.staging import Staging

__all__ = ["leave_out_erased"]

_SECONDS_A_DAY = 86_400


def leave_out_erased(staging: Staging, register: ErasureRegister, problems: Problems) -> None:
    """Leave out what a file says of those erased: orders and answers of before, and who they are.

    Somebody of whom there is an order or an answer of later has come back, and is a customer like any other
    from then on. Orders are dated by the shop's wall clock: those of the day of the erasure count as before.

    Args:
        staging: all rows of the file.
        register: who was erased lately.
        problems: told the lines that are left out.
    """
    if not register.erasures:
        return
    times = register.times()
    for customer_id in staging.customer_ids():
        at = times.get(register.digest(customer_id))
        if at is not None:
            until = (at // _SECONDS_A_DAY + 1) * _SECONDS_A_DAY
            for line in staging.leave_out_before(customer_id, ordered=until, answered=at * 1_000_000):
                problems.add(Problem.ERASED, line)
