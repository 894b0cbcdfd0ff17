"""`highstreet store run`: store service, Flower node and watches, as one process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from highstreet.audit.limits import refuse_over_limits, spending_limits
from highstreet.client.config import StoreConfig, read_config
from highstreet.client.departures import Departures
from highstreet.client.errors import MatchingStateError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity, node_key_file
from highstreet.client.ledger import Ledger
from highstreet.client.log_watch import watching_log
from highstreet.client.matching_books import matching_books
from highstreet.client.matching_records import MatchingBooks
from highstreet.client.membership import (
    Membership,
    ca_file,
    load_charter,
    load_membership,
    programme_days_file,
)
from highstreet.client.node import Node, NodeSettings
from highstreet.client.programme_days import ProgrammeDays
from highstreet.client.release_watch import ask_for_release, fit_release, telling, watching_releases
from highstreet.client.releases import active_release
from highstreet.client.retention_watch import watching_retention
from highstreet.client.round_log import noted
from highstreet.client.round_members import RoundMembers
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.client.service import ServiceStatus, StoreService, serve
from highstreet.client.store_log import StoreLog
from highstreet.client.till import StoreTill
from highstreet.client.vouch_watch import watching_vouches
from highstreet.privacy.secure_sum import MemberKeys
from highstreet.processes import ended_by_signals, reap, record, run_lock

__all__ = ["run_store"]

_CHILDREN = "children.json"
_TICK_SECONDS = 0.5
_EXPIRY_SECONDS = 60.0
_LOG = logging.getLogger("highstreet.store")


def run_store(
    home: StoreHome, *, on_ready: Callable[[], None] = lambda: None, stop: threading.Event | None = None
) -> None:
    """Take part until SIGTERM, SIGINT or `stop`; leave no process behind.

    Args:
        home: the store's folder.
        on_ready: called once, when the service answers and the node has been started.
        stop: set it to end; for callers that are not a process of their own.

    Raises:
        AlreadyRunningError: this store runs already.
        NotJoinedError: it is in no co-op.
        LedgerError: the ledger cannot be trusted.
        LogError: the log is not what was written.
    """
    ending = stop or threading.Event()
    with ExitStack() as stack:
        stack.enter_context(run_lock(home.lock, what="This store"))
        membership, config = load_membership(home), read_config(home)
        reap(home.run / _CHILDREN)
        stack.enter_context(ended_by_signals(ending))
        ledger = stack.enter_context(closing(Ledger.open(home.ledger)))
        status = ServiceStatus(member_id=membership.member_id, coop_id=membership.coop_id)
        departures = Departures()
        books = None
        if load_charter(home).matching is not None:
            books = stack.enter_context(matching_books(home, ledger, approach=departures.approach))
        log = StoreLog(home)
        log.settle(ledger)
        desk = _desk(home, membership, config, ledger, books, log, departures)
        answer = log.answering(noted(desk.answer, home), ledger)
        stack.enter_context(serve(StoreService(answer, status, departures), home.socket))
        node = Node(_node_settings(home, membership))
        stack.callback(lambda: record(home.run / _CHILDREN, node.children))
        stack.callback(node.stop)
        node.start()
        record(home.run / _CHILDREN, node.children)
        stack.enter_context(_watching_releases(home, status, log, ending))
        stack.enter_context(watching_vouches(home, ending))
        stack.enter_context(watching_log(home, log, ending))
        stack.enter_context(_watching_retention(home, status, ending))
        on_ready()
        expiry = _Expiry(books)
        while not ending.wait(_TICK_SECONDS):
            expiry.look()
            if node.keep_alive():
                _LOG.warning("the node was started again")
                record(home.run / _CHILDREN, node.children)


class _Expiry:
    """Ends matchings whose time has passed: at once, and every minute while the store runs."""

    def __init__(self, books: MatchingBooks | None) -> None:
        self._books = books
        self._next = 0.0

    def look(self) -> None:
        """Destroy what is due; a failure is looked at again a minute later."""
        now = time.monotonic()
        if self._books is None or now < self._next:
            return
        self._next = now + _EXPIRY_SECONDS
        try:
            self._books.end_expired(time.time())
        except MatchingStateError as error:
            _LOG.error("%s", error.what)


def _desk(
    home: StoreHome,
    membership: Membership,
    config: StoreConfig,
    ledger: Ledger,
    books: MatchingBooks | None,
    log: StoreLog,
    departures: Departures,
) -> RoundDesk:
    charter, limits = load_charter(home), config.limits.to_limits()
    refuse_over_limits(charter, limits)  # again: the owner may have tightened them, or updated the software
    till = StoreTill(
        home=home,
        ledger=ledger,
        plan=charter.plan,
        terms=charter.privacy,
        limits=spending_limits(limits, charter),
        approach=departures.approach,
    )
    agreement = Agreement(
        member_id=membership.member_id,
        coordinator_public_key=membership.coordinator_key,
        charter=charter,
        limits=limits,
        find_roster=RoundMembers(home, membership).find,
        holds_to_day=log.noting_days(ProgrammeDays(programme_days_file(home), paid_for=till.paid_for).holds),
    )
    identity = load_identity(home)
    keys = MemberKeys(signing=identity.signing, encryption=identity.encryption)
    return RoundDesk(agreement, keys=keys, till=till, books=books)


def _node_settings(home: StoreHome, membership: Membership) -> NodeSettings:
    return NodeSettings(
        superlink_address=membership.superlink_address,
        ca_certificate=ca_file(home),
        node_key=node_key_file(home),
        socket=home.socket,
        run=home.run / "node",
        logs=home.logs,
    )


@contextmanager
def _watching_releases(
    home: StoreHome, status: ServiceStatus, log: StoreLog, ending: threading.Event
) -> Iterator[None]:
    """Ask for releases and fit the shop's model from them while the block runs."""

    def fit() -> None:
        release = active_release(home)
        if release is not None:
            log.note_release(release)
        status.active_release = fit_release(home)

    def tell(trouble: str) -> None:
        status.release_trouble = trouble

    ask = telling(lambda: ask_for_release(home, log), tell)
    with watching_releases(ending, ask=ask, fit=fit):
        yield


@contextmanager
def _watching_retention(home: StoreHome, status: ServiceStatus, ending: threading.Event) -> Iterator[None]:
    """End, empty and remove what is kept no longer while the block runs."""

    def tell(trouble: str) -> None:
        status.retention_trouble = trouble

    with watching_retention(home, ending, tell=tell):
        yield
