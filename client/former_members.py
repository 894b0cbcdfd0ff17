"""Former members: whether a shop about to be vouched for counted here before, under another id."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from highstreet.audit.roster import Member, Roster, as_seen
from highstreet.audit.vouches import REPLACED_LIMIT
from highstreet.client.errors import SameNameError, VouchRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.pinned_members import pinned_members
from highstreet.client.vouches import edges_on, replacements_on

__all__ = ["find_former", "of_same_name", "refuse_unsaid"]


def of_same_name(home: StoreHome, other: Member) -> list[Member]:
    """Return whoever counted here once and has, as people see it, this member's name but not its id."""
    return [
        member
        for member in pinned_members(home).values()
        if as_seen(member.name) == as_seen(other.name) and member.member_id != other.member_id
    ]


def find_former(home: StoreHome, roster: Roster, text: str, *, other: Member, me: str) -> list[Member]:
    """Return the members, present or past, that an owner means by a name or an id; all of that name.

    Args:
        home: the store's folder.
        roster: the newest accepted.
        text: what was typed.
        other: the newcomer, who is none of them.
        me: this store's id.

    Raises:
        VouchRefusedError: nobody that counted here or is on the roster is called so.
    """
    wanted = as_seen(" ".join(text.split()))
    known = {**{member.member_id: member for member in roster.members}, **pinned_members(home)}
    found = [
        member
        for member in known.values()
        if wanted in {as_seen(member.name), member.member_id}
        and member.member_id not in {other.member_id, me}
    ]
    if not found:
        raise VouchRefusedError(
            f"No other member, present or past, is known here as {text!r}.",
            next_step="Name the shop as it was called, or give its member id: `highstreet store members`.",
        )
    return found


def refuse_unsaid(
    home: StoreHome, roster: Roster, other: Member, replaces: Collection[str] | None
) -> tuple[str, ...]:
    """Return the ids a vouch replaces; refuse when the owner has to say more first.

    Args:
        home: the store's folder.
        roster: the newest accepted.
        other: the newcomer.
        replaces: former ids of its shop, as its owner said; empty: said to be another shop than any before;
            None: nothing was said.

    Raises:
        SameNameError: a shop of that name counted here before, and nobody said whether it is the same.
        VouchRefusedError: too many ids, or one whose place another member has taken already.
    """
    unsaid = [member for member in of_same_name(home, other) if member.member_id not in (replaces or ())]
    if unsaid and (replaces is None or replaces):
        raise _same_name(other, unsaid)
    former = tuple(sorted(set(replaces or ())))
    if len(former) > REPLACED_LIMIT:
        raise VouchRefusedError(f"A vouch replaces at most {REPLACED_LIMIT} former members.")
    _refuse_taken(home, roster, other, former)
    return former


def _refuse_taken(home: StoreHome, roster: Roster, other: Member, former: Sequence[str]) -> None:
    """Two newcomers in the place of one would both be struck out: the owner says which came after which."""
    said = replacements_on(home, roster, edges_on(home, roster))
    replaced = {each.former_id for each in said}
    for each in sorted(said):
        newcomer = roster.member(each.newcomer_id)
        if each.former_id not in former or newcomer is None or newcomer.member_id in replaced:
            continue
        if newcomer.member_id not in {other.member_id, *former}:
            raise VouchRefusedError(
                f"{newcomer.name} ({newcomer.member_id}) has come in that shop's place already.",
                next_step=f"If {other.name} is that shop too, say so as well: --replaces "
                f"{newcomer.member_id}. If not, one of them is not the shop it says it is: ask before you "
                "vouch.",
            )


def _same_name(other: Member, unsaid: Sequence[Member]) -> SameNameError:
    ids = ", ".join(member.member_id for member in unsaid)
    return SameNameError(
        f"A shop called {other.name} counted here before, under other keys ({ids}). Is this the same shop? A "
        "shop that counts twice could let invented shops in.",
        next_step=f'Ask its owner. The same shop: add --replaces "{other.name}"; the old keys then count '
        "nowhere any more. Another shop that happens to have the name: add --another-shop.",
    )
