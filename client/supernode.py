"""Flower's SuperNode as a store runs it: it ends when it must, and never sits on a reply.

Two things of Flower 1.36 are set right here; the version is pinned for it.

- Its command hangs instead of ending when it cannot connect, because its HTTP thread lives on.
- It takes replies away only after it received a message, and then goes on as soon as *a* reply was there.
  When a run ends between a message's last object and its confirmation, the node forgets the message, but the
  shim may have it already and answer. From then on the node holds one reply too many: each answer stays with
  it until the coordinator asks again, a minute later, for as long as the node lives.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from flwr.supernode import start_client_internal as node
from flwr.supernode.nodestate import NodeState

__all__ = ["has_waiting_reply", "main", "with_waiting_replies"]

#: Stands for a run where a reply is to be taken away though no message came; the node does not use it.
_SOME_RUN = 0

PullMessage = Callable[..., int | None]


def has_waiting_reply(state: NodeState) -> bool:
    """Whether the node holds a reply that it has not begun to take away."""
    messages = state.msg_store  # type: ignore[attr-defined]  # the only state there is, in memory
    with state.lock_msg_store:  # type: ignore[attr-defined]
        return any(
            entry.message.metadata.reply_to_message_id and not entry.is_retrieved
            for entry in messages.values()
        )


def with_waiting_replies(pull: PullMessage) -> PullMessage:
    """Return Flower's way of getting a message, changed so that a waiting reply is taken away without one."""

    def pull_or_push(*, state: NodeState, **others: Any) -> int | None:
        run_id = pull(state=state, **others)
        if run_id is None and has_waiting_reply(state):
            return _SOME_RUN
        return run_id

    return pull_or_push


def main() -> None:
    """Run as the child process of `highstreet store run`, with the arguments of `flower-supernode`."""
    from flwr.supernode.cli import flower_supernode

    node._pull_and_store_message = with_waiting_replies(node._pull_and_store_message)
    try:
        flower_supernode()
    except BaseException:  # noqa: BLE001 - the program's top: it ends below, whatever this was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
