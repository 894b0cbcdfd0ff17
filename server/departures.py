"""What is left to do when a member has left: its Flower node is refused at the SuperLink from then on.

Leaving counts at once, in the member table that every call and every round asks. The SuperLink is told
afterwards, again and again until it has heard: by the call that ended the membership when it can, and by the
supervisor, also for `highstreet coop remove`, which is another process and may run while nothing else does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from highstreet.server.database import transaction

__all__ = ["release_nodes"]

_LEFT = "SELECT member_id, node_id FROM members WHERE left_at IS NOT NULL AND node_id IS NOT NULL"


def release_nodes(connection: sqlite3.Connection, unregister: Callable[[int], None]) -> int:
    """Have the nodes of those who left refused; return how many there were.

    Each is forgotten here once it is refused there, so a failure leaves it for the next time.

    Args:
        connection: to coop.db, of this thread.
        unregister: makes the SuperLink refuse a node; one it does not know is left as it is.

    Raises:
        SuperLinkError: whatever `unregister` raises.
    """
    left = connection.execute(_LEFT).fetchall()
    for row in left:
        unregister(row["node_id"])
        with transaction(connection):
            connection.execute(
                "UPDATE members SET node_id = NULL WHERE member_id = ? AND left_at IS NOT NULL",
                (row["member_id"],),
            )
    return len(left)
