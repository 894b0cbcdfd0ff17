"""Who may take part in a round, as this store sees it: the members of its roster that count here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from highstreet.audit.errors import AuditError
from highstreet.audit.roster import Roster
from highstreet.client.errors import ClientError
from highstreet.client.home import StoreHome
from highstreet.client.membership import Membership, member_caller
from highstreet.client.rosters import Rosters, known_roster
from highstreet.client.vouch_desk import VouchDesk
from highstreet.client.vouches import counted_members

__all__ = ["CountedRoster", "RoundMembers"]

_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRoster:
    """A roster this store accepted.

    Attributes:
        roster: with everybody's keys.
        counted: ids of its members that count for this store.
    """

    roster: Roster
    counted: frozenset[str]


class RoundMembers:
    """Finds the roster that a round names, and who of it counts here.

    Args:
        home: the store's folder.
        membership: this store's.
        rosters: those accepted; asks for a newer one when it does not know one.
        refresh: fetches the vouches between members; the coordinator's by default.
    """

    def __init__(
        self,
        home: StoreHome,
        membership: Membership,
        *,
        rosters: Rosters | None = None,
        refresh: Callable[[], object] | None = None,
    ) -> None:
        self._home = home
        self._membership = membership
        self._rosters = rosters or Rosters(home, membership)
        self._refresh = refresh or (lambda: _refresh_alone(home))

    def find(self, sha256: bytes, participants: Collection[str], opened_at: int) -> CountedRoster | None:
        """Return the accepted roster of this hash; None when there is none, asked for anew or not.

        Vouches are fetched anew when one of the participants does not count yet: another shop's owner may
        have vouched a minute ago. Who has left counts only in rounds opened before (`client.struck_out`).

        Args:
            sha256: of the roster's document.
            participants: ids that should count.
            opened_at: when the round was opened, unix seconds.
        """
        if not self._rosters.knows(sha256):
            return None
        found = self._look_up(sha256, opened_at)
        if found is not None and not found.counted.issuperset(participants):
            try:
                self._refresh()
            except (ClientError, AuditError) as error:
                _LOG.warning("no newer vouches: %s", error.what)
            found = self._look_up(sha256, opened_at)
        return found

    def _look_up(self, sha256: bytes, opened_at: int) -> CountedRoster | None:
        roster = known_roster(self._home, self._membership, sha256)
        if roster is None:
            return None
        counted = counted_members(self._home, sha256, opened_at=opened_at)
        return CountedRoster(roster=roster, counted=frozenset(member.member_id for member in counted))


def _refresh_alone(home: StoreHome) -> None:
    with member_caller(home) as caller:
        VouchDesk(home, caller).refresh()
