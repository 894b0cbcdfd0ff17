"""Handing a vouch or a withdrawal over to the coordinator, who gives it to the others; refused or not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from highstreet.audit.vouches import Vouch
from highstreet.audit.withdrawals import Withdrawal
from highstreet.client.coop_calls import CoopCaller
from highstreet.client.errors import CoopRefusedError, CoopUnreachableError
from highstreet.protos import coop_pb2

__all__ = ["post_vouch", "post_withdrawal"]

_LOG = logging.getLogger("highstreet.vouching")


def post_vouch(caller: CoopCaller, vouch: Vouch) -> None:
    """Hand a vouch over; one that the coordinator does not take is tried again by the next refresh."""
    wire = coop_pb2.Vouch(
        voucher_id=vouch.voucher_id,
        subject_id=vouch.subject_id,
        signature=vouch.signature,
        replaces=vouch.replaces,
    )
    request = coop_pb2.PutVouchRequest(vouch=wire)
    _try("a vouch", lambda: caller.call(lambda stub, timeout: stub.PutVouch(request, timeout=timeout)))


def post_withdrawal(caller: CoopCaller, withdrawal: Withdrawal) -> None:
    """Hand a withdrawal over, likewise."""
    wire = coop_pb2.Withdrawal(
        voucher_id=withdrawal.voucher_id,
        subject_id=withdrawal.subject_id,
        signature=withdrawal.signature,
    )
    request = coop_pb2.WithdrawVouchRequest(withdrawal=wire)
    _try(
        "a withdrawal",
        lambda: caller.call(lambda stub, timeout: stub.WithdrawVouch(request, timeout=timeout)),
    )


def _try(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    except (CoopRefusedError, CoopUnreachableError) as error:
        _LOG.warning("the coordinator did not take %s of this store: %s", what, error.what)
