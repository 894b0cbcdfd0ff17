"""Capabilities: the consent desk's word that customers' data may be used, without which nothing reads them.

`ConsentedCohort` is the only key to single customers' data: `shop_loader.load_shop` and the loader of
identifiers, `matching_inputs`, take nothing else. `ShopTotals` is the key to totals over everybody but those
who objected or are excluded (`shop_totals`). Only the desk makes either. They are handles without contents;
what one stands for is kept in this module, so an object made in any other way opens nothing. They end with
the process and after a few minutes, and a withdrawal beats them at any time: who has withdrawn since is left
out when it is used. Whoever uses a cohort says what for: one that was made for something else is refused, and
so is one of what customers agreed to on another channel than the one that is served.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, final
from weakref import WeakKeyDictionary

from highstreet.audit.attestation import ConsentBasis
from highstreet.audit.consent import Channel, ConsentState, Purpose
from highstreet.audit.consent_states import ConsentStates, ConsentTime
from highstreet.client.consent_log import ConsentLog
from highstreet.client.errors import CohortExpiredError, ForgedCohortError, WrongPurposeError
from highstreet.client.vault import Vault

__all__ = [
    "COHORT_LIFETIME_SECONDS",
    "ConsentedCohort",
    "DeskClocks",
    "Exclusion",
    "ShopTotals",
    "basis_now",
    "granted_by",
    "left_out_of_totals",
    "mint_cohort",
    "mint_totals",
    "sensitive_granted",
    "still_granted",
]

#: How long a capability may be used after it was made.
COHORT_LIFETIME_SECONDS = 600.0
#: An objection to one of these keeps a customer out of totals: they are what totals serve.
_TOTALS_SERVE = (Purpose.SUGGESTIONS_HERE, Purpose.SHOP_MODEL)


class Exclusion(StrEnum):
    """Why a customer is in no cohort and no total, whatever they agreed to."""

    MINOR = "minor"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskClocks:
    """The times a desk goes by.

    Attributes:
        moment: what states are derived for, now.
        monotonic: seconds of a clock that is never set; capabilities end by it.
    """

    moment: Callable[[], ConsentTime]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Minted:
    purposes: frozenset[Purpose]
    channel: Channel
    position: int
    customers: tuple[int, ...]
    expires_at: float
    vault_id: str
    clocks: DeskClocks


class _Capability:
    """What both have in common; made by this module alone."""

    __slots__ = ("__weakref__",)

    def __init__(self) -> None:
        raise _forged()

    def __reduce__(self) -> NoReturn:
        """Refuse copies and pickles."""
        raise _forged()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @property
    def position(self) -> int:
        """The last entry of the consent log that was known when it was made."""
        return _details(self).position

    @property
    def is_expired(self) -> bool:
        """Whether it is too old to be used."""
        details = _details(self)
        return details.clocks.monotonic() >= details.expires_at


@final
class ConsentedCohort(_Capability):
    """Proof, here, that its customers agree to all of its purposes; only `ConsentDesk.cohort` makes one."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Refuse subclasses."""
        raise _forged()

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What each of the customers agreed to, all of it."""
        return _details(self).purposes

    @property
    def channel(self) -> Channel:
        """The channel that they agreed to it on."""
        return _details(self).channel

    @property
    def customers(self) -> tuple[int, ...]:
        """Row keys, ascending: opaque numbers that mean nothing outside the vault."""
        return _details(self).customers

    def __len__(self) -> int:
        return len(_details(self).customers)


@final
class ShopTotals(_Capability):
    """Leave to add up over everybody but who objected or is excluded; `ConsentDesk.totals` makes it."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Refuse subclasses."""
        raise _forged()


_MINTED: WeakKeyDictionary[_Capability, _Minted] = WeakKeyDictionary()


def mint_cohort(
    vault: Vault, clocks: DeskClocks, purposes: frozenset[Purpose], channel: Channel
) -> ConsentedCohort:
    """Make the cohort of all customers whose grants for every purpose stand now. For the desk alone."""
    with ConsentLog(vault).relied_on() as (connection, log):
        customers = _granted(log.states, purposes, channel, clocks.moment()) - _excluded(connection)
        position = log.tree.size
    cohort = object.__new__(ConsentedCohort)
    _MINTED[cohort] = _Minted(
        purposes=purposes,
        channel=channel,
        position=position,
        customers=tuple(sorted(customers)),
        expires_at=clocks.monotonic() + COHORT_LIFETIME_SECONDS,
        vault_id=vault.vault_id,
        clocks=clocks,
    )
    return cohort


def mint_totals(vault: Vault, clocks: DeskClocks) -> ShopTotals:
    """Make the leave to add up. For the desk alone."""
    with ConsentLog(vault).relied_on() as (_, log):
        position = log.tree.size
    totals = object.__new__(ShopTotals)
    _MINTED[totals] = _Minted(
        purposes=frozenset(),
        channel=Channel.EVERYWHERE,
        position=position,
        customers=(),
        expires_at=clocks.monotonic() + COHORT_LIFETIME_SECONDS,
        vault_id=vault.vault_id,
        clocks=clocks,
    )
    return totals


def still_granted(
    cohort: ConsentedCohort,
    vault: Vault,
    connection: sqlite3.Connection,
    purpose: Purpose,
    *further: Purpose,
    channel: Channel = Channel.EVERYWHERE,
) -> tuple[int, ...]:
    """Return the customers of a cohort whose grants stand in the vault's state seen by an open transaction.

    The first thing in that transaction (`ConsentLog.folded`). Customers who agreed after the cohort was made
    are not added: the cohort is also what was counted and spent for.

    Args:
        cohort: from `ConsentDesk.cohort`.
        vault: where the cohort was made from.
        connection: of the vault, in a transaction.
        purpose: what the customers are used for now.
        *further: what else, where it is more than one thing.
        channel: where what is made of them is shown; a yes for one channel is none for another.

    Raises:
        WrongPurposeError: the cohort was made for something else, or another channel; nothing was read.
        ForgedCohortError: not made by a consent desk, or made from another vault.
        CohortExpiredError: made too long ago.
        InconsistentConsentLogError: the log cannot be relied on.
    """
    return granted_by(cohort, vault, connection, purpose, *further, channel=channel)[0]


def granted_by(
    cohort: ConsentedCohort,
    vault: Vault,
    connection: sqlite3.Connection,
    purpose: Purpose,
    *further: Purpose,
    channel: Channel = Channel.EVERYWHERE,
) -> tuple[tuple[int, ...], ConsentBasis]:
    """Return what `still_granted` does, with the consent log's head and the moment it was judged at.

    Raises: as `still_granted`.
    """
    details = _usable_for(cohort, vault, purpose, *further, channel=channel)
    moment = details.clocks.moment()
    with ConsentLog(vault).folded(connection) as log:
        if log.tree.size < details.position:
            raise _forged()
        granted = _granted(log.states, details.purposes, details.channel, moment)
        basis = ConsentBasis(
            position=log.head.position, root=log.head.root, changes=log.head.changes, time=moment
        )
    granted -= _excluded(connection)
    return tuple(customer for customer in details.customers if customer in granted), basis


def sensitive_granted(
    cohort: ConsentedCohort,
    vault: Vault,
    connection: sqlite3.Connection,
    purpose: Purpose,
    *,
    channel: Channel = Channel.EVERYWHERE,
) -> frozenset[int]:
    """Return the customers of a cohort of whom purchases of a sensitive kind may be used too.

    Raises: as `still_granted`.
    """
    details = _usable_for(cohort, vault, purpose, channel=channel)
    wanted = details.purposes | {Purpose.SENSITIVE_CATEGORIES}
    with ConsentLog(vault).folded(connection) as log:
        granted = _granted(log.states, wanted, details.channel, details.clocks.moment())
    return granted.intersection(details.customers) - _excluded(connection)


def basis_now(
    cohort: ConsentedCohort, vault: Vault, connection: sqlite3.Connection, purpose: Purpose
) -> ConsentBasis:
    """Return the consent log's head in an open transaction, and the moment a cohort is judged at there.

    Raises: as `still_granted`.
    """
    details = _usable_for(cohort, vault, purpose, channel=Channel.EVERYWHERE)
    with ConsentLog(vault).folded(connection) as log:
        position, root, changes = log.head.position, log.head.root, log.head.changes
    return ConsentBasis(position=position, root=root, changes=changes, time=details.clocks.moment())


def left_out_of_totals(totals: ShopTotals, vault: Vault, connection: sqlite3.Connection) -> tuple[int, ...]:
    """Return whom a total must not count: who objected to what totals serve, or is excluded.

    The first thing in the transaction.

    Raises: as `still_granted`.
    """
    details = _usable(totals, ShopTotals, vault)
    with ConsentLog(vault).folded(connection) as log:
        moment = details.clocks.moment()
        objected = {
            customer
            for purpose in _TOTALS_SERVE
            for customer in log.states.customers(purpose)
            if log.states.state(customer, purpose, Channel.EVERYWHERE, moment) is ConsentState.OBJECTED
        }
    return tuple(sorted(objected | _excluded(connection)))


def _excluded(connection: sqlite3.Connection) -> frozenset[int]:
    """Return the row keys of customers who are excluded, for whatever reason."""
    return frozenset(customer for (customer,) in connection.execute("SELECT customer FROM exclusions"))


def _granted(
    states: ConsentStates, purposes: frozenset[Purpose], channel: Channel, moment: ConsentTime
) -> frozenset[int]:
    """Return who agreed to every one of at least one purpose."""
    return frozenset.intersection(*(states.granted(purpose, channel, moment) for purpose in purposes))


def _usable_for(cohort: ConsentedCohort, vault: Vault, *purposes: Purpose, channel: Channel) -> _Minted:
    details = _usable(cohort, ConsentedCohort, vault)
    if not details.purposes.issuperset(purposes) or details.channel is not channel:
        raise WrongPurposeError(
            "Customers' data was asked for by the word of customers who agreed to something else.",
            next_step=f"Ask the consent desk for those who agreed on the channel {channel} to: "
            f"{'; '.join(purpose.plain_words for purpose in purposes)}.",
        )
    return details


def _usable(capability: _Capability, kind: type[_Capability], vault: Vault) -> _Minted:
    details = _details(capability)
    if type(capability) is not kind or details.vault_id != vault.vault_id:
        raise _forged()
    if capability.is_expired:
        raise CohortExpiredError(
            "The consent desk's word is too old to be used.",
            next_step="Ask the consent desk for it again.",
        )
    return details


def _details(capability: _Capability) -> _Minted:
    details = _MINTED.get(capability) if type(capability) in {ConsentedCohort, ShopTotals} else None
    if details is None:
        raise _forged()
    return details


def _forged() -> ForgedCohortError:
    return ForgedCohortError(
        "Customers' data was asked for without the consent desk's word.",
        next_step="Only ConsentDesk.cohort and ConsentDesk.totals give it.",
    )
