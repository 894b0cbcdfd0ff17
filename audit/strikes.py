"""Struck-out ids: members of a roster that do not count, so that one shop never counts under two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from highstreet.audit.roster import Edge
from highstreet.audit.vouches import Replacement

__all__ = ["struck_for", "struck_out"]


def struck_out(
    listed: Collection[str], replacements: Iterable[Replacement], speakers: Collection[str]
) -> frozenset[str]:
    """Return the ids that replacements strike out: all of one shop's but the one that nobody replaced.

    1. An id that a speaker says was replaced is struck out.
    2. Ids that speakers' replacements link are of one shop. When more than one of them is on the list and was
       not replaced (two owners vouched for two newcomers in the place of one member), all of these are
       struck out too, until an owner says which replaced which.

    Guarantee: of all ids linked by what speakers say, at most one that is listed is not struck out. Let
    `speakers` hold everybody that counts when nobody is struck out (`audit.roster.trusted_members` over the
    whole roster): then a newcomer that counts by more than c vouches has an honest voucher among them, whose
    owner was asked whom it replaces, and that voucher is a speaker. So a shop whose honest vouchers name its
    former ids never counts under two, with at most c members lying. The set does not depend on the order of
    anything. A member that lies can strike out whom it likes: that keeps shops out of rounds, and lets
    nobody in.

    Args:
        listed: who is on the roster.
        replacements: whose signatures hold (`audit.vouches.verified_replacements`).
        speakers: ids of members whose word is taken.

    >>> struck_out({"a", "b"}, [Replacement("v", "b", "a")], {"v"})
    frozenset({'a'})
    """
    said = [each for each in replacements if each.voucher_id in speakers]
    former = frozenset(each.former_id for each in said)
    rivals: set[str] = set()
    for shop in _linked(said):
        newest = (shop & set(listed)) - former
        if len(newest) > 1:
            rivals |= newest
    return former | rivals


def struck_for(
    me: str,
    listed: Collection[str],
    replacements: Iterable[Replacement],
    *,
    speakers: Collection[str],
    withdrawn: Collection[Edge],
) -> frozenset[str]:
    """Return the ids that do not count for one member: those struck out, and whom it took its word back from.

    Who takes back its own vouch has a reason, and does not count that member on others' word either. No
    member is struck out for itself.

    Args:
        me: for whom.
        listed: as for `struck_out`.
        replacements: as there.
        speakers: as there.
        withdrawn: (voucher, subject) of withdrawals whose signatures hold.
    """
    own = {subject for voucher, subject in withdrawn if voucher == me}
    return (struck_out(listed, replacements, speakers) | own) - {me}


def _linked(replacements: Iterable[Replacement]) -> list[set[str]]:
    """Return the sets of ids that replacements link, directly or over others."""
    shops: list[set[str]] = []
    for each in replacements:
        joined = {each.newcomer_id, each.former_id}
        apart = []
        for shop in shops:
            if shop & joined:
                joined |= shop
            else:
                apart.append(shop)
        shops = [*apart, joined]
    return shops
