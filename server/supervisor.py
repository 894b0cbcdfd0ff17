"""`highstreet coop run`: one process that keeps the coordinator's services alive and its programmes going."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from highstreet.audit.errors import LogError
from highstreet.files import FileAccessError
from highstreet.processes import Child, ended_by_signals, reap, record, run_lock
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.coop_desk import CoopDesk
from highstreet.server.coop_log import CoopLog
from highstreet.server.database import connect
from highstreet.server.departures import release_nodes
from highstreet.server.errors import PortBusyError, SuperLinkError
from highstreet.server.founding import ensure_server_certificate
from highstreet.server.home import CoopHome
from highstreet.server.listening import serve_coop
from highstreet.server.membership import complete, current_members
from highstreet.server.run_keeper import SERVER_APP_LOCK, RunKeeper
from highstreet.server.superlink import (
    ControlClient,
    SuperLinkSettings,
    app_bundle,
    superexec_spec,
    superlink_spec,
)
from highstreet.server.tls import require_tls_1_3

__all__ = ["COOP_LOCK", "run_coordinator", "superlink_settings"]

COOP_LOCK = "coop.lock"
_CHILDREN = "children.json"
_TICK_SECONDS = 0.5
_START_SECONDS = 90.0
_FREED_SECONDS = 5.0
_LOG = logging.getLogger("highstreet.coop")


def superlink_settings(home: CoopHome) -> SuperLinkSettings:
    """Return where this co-op's SuperLink listens and keeps its files."""
    config = home.config()
    return SuperLinkSettings(
        fleet_host=config.listen,
        fleet_port=config.ports.fleet,
        control_port=config.ports.control,
        runtime_port=config.ports.runtime,
        ca_certificate=home.ca_certificate,
        server_certificate=home.server_certificate,
        server_key=home.server_key,
        folder=home.superlink,
        logs=home.logs,
    )


def run_coordinator(
    home: CoopHome,
    *,
    on_ready: Callable[[], None] = lambda: None,
    stop: threading.Event | None = None,
) -> None:
    """Run the co-op's services until SIGTERM, SIGINT or `stop`; leave no process behind.

    Args:
        home: the co-op.
        on_ready: called once, when stores can join and rounds can be held.
        stop: set it to end; for callers that are not a process of their own.

    Raises:
        AlreadyRunningError: this co-op runs already.
        PortBusyError: a port is taken.
        SuperLinkError: the SuperLink does not come up.
        LogError: the log is not what was written.
    """
    ending = stop or threading.Event()
    require_tls_1_3()
    with ExitStack() as stack:
        stack.enter_context(run_lock(home.run / COOP_LOCK, what="This co-op"))
        ensure_server_certificate(home, now=datetime.now(UTC))
        log = CoopLog(home)
        settings = superlink_settings(home)
        reap(home.run / _CHILDREN)
        _prepare(settings)
        _forget_messages(settings.folder / "state.db")
        stack.enter_context(ended_by_signals(ending))
        children = _children(home, settings)
        stack.callback(lambda: record(home.run / _CHILDREN, children))
        superlink, superexec = children
        for child in children:
            stack.callback(child.stop)
        superlink.start()
        record(home.run / _CHILDREN, children)
        control = stack.enter_context(
            ControlClient(settings.control_address, home.ca_certificate.read_bytes())
        )
        _wait_ready(control, children, ending)
        connection = stack.enter_context(closing(connect(home.database)))
        # Started only now: it would wait longer and longer for a SuperLink that is not there yet.
        superexec.start()
        record(home.run / _CHILDREN, children)
        control.stop_all_runs()
        _register_members(connection, control)
        stack.callback(_serve(home, control, log))
        if not ending.is_set():
            on_ready()
        keeper = _keeper(home, connection, control)

        def tick() -> None:
            release_nodes(connection, control.unregister_node)
            keeper.tick()
            log.follow()

        _watch(home, children, tick, ending)


def _prepare(settings: SuperLinkSettings) -> None:
    """Make folders and secret; give a coordinator that was just killed a moment to free its ports."""
    end = time.monotonic() + _FREED_SECONDS
    while True:
        try:
            settings.prepare()
        except PortBusyError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def _forget_messages(state: Path) -> None:
    """Drop from the SuperLink's file the pages of messages it has deleted: it would keep them for ever."""
    if state.exists():
        with closing(sqlite3.connect(state)) as connection:
            connection.execute("VACUUM")


def _children(home: CoopHome, settings: SuperLinkSettings) -> tuple[Child, ...]:
    extra = {"HIGHSTREET_COOP_HOME": str(home.root), "OMP_NUM_THREADS": "1"}
    return Child(superlink_spec(settings)), Child(superexec_spec(settings, extra=extra))


def _wait_ready(control: ControlClient, children: tuple[Child, ...], ending: threading.Event) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ending.is_set() and not control.is_ready():
        if not children[0].is_alive or time.monotonic() > end:
            raise SuperLinkError(
                "The SuperLink did not come up.",
                next_step="Look into logs/superlink.log in the co-op's folder.",
            )
        ending.wait(0.1)


def _register_members(connection: sqlite3.Connection, control: ControlClient) -> None:
    """Make every member's node known to the SuperLink, also one whose state was lost."""
    for member in current_members(connection):
        node_id = control.register_node(member.node_public_key)
        if node_id != member.node_id:
            complete(connection, member.member_id, node_id=node_id, now=int(time.time()))


def _serve(home: CoopHome, control: ControlClient, log: CoopLog) -> Callable[[], None]:
    """Start the co-op service; return what stops it."""
    config = home.config()
    desk = CoopDesk(
        home=home,
        register_node=control.register_node,
        unregister_node=control.unregister_node,
        now=lambda: int(time.time()),
        log=log,
    )
    servers = serve_coop(
        desk, listen=config.listen, join_port=config.ports.join, member_port=config.ports.members
    )
    return servers.stop


def _keeper(home: CoopHome, connection: sqlite3.Connection, control: ControlClient) -> RunKeeper:
    return RunKeeper(
        Checkpoints(connection),
        control,
        bundle=lambda programme_id: app_bundle(programme=programme_id),
        lock=home.run / SERVER_APP_LOCK,
    )


def _watch(
    home: CoopHome, children: tuple[Child, ...], tick: Callable[[], None], ending: threading.Event
) -> None:
    while not ending.is_set():
        started = [child.spec.name for child in children if child.keep_alive()]
        if started:
            _LOG.warning("started again: %s", ", ".join(started))
            record(home.run / _CHILDREN, children)
        try:
            tick()
        except SuperLinkError as error:
            _LOG.info("%s", error.what)
        except (LogError, FileAccessError) as error:
            _LOG.error("members are told nothing: %s", error.for_user())
        ending.wait(_TICK_SECONDS)
