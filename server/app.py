"""The coordinator's Flower ServerApp: finishes what is due of the co-op in HIGHSTREET_COOP_HOME."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from highstreet.audit.errors import AuditError
from highstreet.files import write_private
from highstreet.logs import configure_logs
from highstreet.models.errors import ModelsError
from highstreet.privacy.errors import PrivacyError
from highstreet.processes import AlreadyRunningError, die_with_parent, run_lock
from highstreet.server.checkpoints import Checkpoints, ProgrammeKind
from highstreet.server.coop_log import CoopLog
from highstreet.server.database import connect
from highstreet.server.home import CoopHome, default_coop_home
from highstreet.server.logged_carrier import LoggedCarrier
from highstreet.server.matching_run import MatchingRun
from highstreet.server.programme_run import ProgrammeRun
from highstreet.server.releases import Candidate, publish_release
from highstreet.server.run_keeper import SERVER_APP_LOCK, SERVER_APP_RUN
from highstreet.server.strategy import GridCarrier

__all__ = ["app"]

_LOCK_SECONDS = 20.0
_LOG = logging.getLogger("highstreet.rounds")

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the programme that the run's bundle names, if it is still the one that is due."""
    die_with_parent()
    home = CoopHome.open(default_coop_home())
    configure_logs(home.logs / "rounds.log")
    for other in ("flwr", "httpx"):
        logging.getLogger(other).setLevel(logging.WARNING)
    try:
        _run(home, grid, context)
    except Exception:
        _LOG.exception("run %s ended by an error", context.run_id)
        raise


def _run(home: CoopHome, grid: Grid, context: Context) -> None:
    with _alone(home.run / SERVER_APP_LOCK), closing(connect(home.database)) as connection:
        write_private(home.run / SERVER_APP_RUN, str(context.run_id).encode("ascii"))
        programme = Checkpoints(connection).due()
        if programme is None or programme.programme_id != context.run_config.get("programme"):
            _LOG.info("run %s: its programme is not due any more", context.run_id)
            return
        carrier = LoggedCarrier(GridCarrier(grid), CoopLog(home).follow)
        try:
            if programme.kind is ProgrammeKind.MATCHING:
                MatchingRun(
                    programme=programme,
                    charter=home.charter(),
                    key=home.coordinator_key(),
                    connection=connection,
                    carrier=carrier,
                ).run()
                return
            ProgrammeRun(
                programme=programme,
                charter=home.charter(),
                key=home.coordinator_key(),
                connection=connection,
                carrier=carrier,
                publish=partial(_publish, home),
            ).run()
        except (AuditError, ModelsError, PrivacyError) as error:
            # Trying again would find the same: this version cannot run the charter's programme.
            _LOG.error("programme %s cannot be run: %s", programme.number, error.what)
            Checkpoints(connection).mark_failed(programme.programme_id, error.for_user())


def _publish(home: CoopHome, candidate: Candidate) -> None:
    publish_release(home, candidate, now=datetime.now(UTC))


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold the lock; wait a little for a ServerApp that is being stopped."""
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            with run_lock(lock, what="A programme"):
                yield
                return
        except AlreadyRunningError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
