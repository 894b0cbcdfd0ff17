"""Watches for a new release: fetches and checks it, fits the shop's own model from it, puts that in use."""

from __future__ import annotations

import logging
import time

from highstreet.client.config import read_config
from highstreet.client.fitting import fit_personal, fitted_release
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_charter, member_caller
from highstreet.client.releases import active_release, fetch_release

__all__ = ["ReleaseWatch"]

_LOG = logging.getLogger("highstreet.store")


class ReleaseWatch:
    """Looks for a release when asked to.

    Args:
        home: the store's folder.
    """

    def __init__(self, home: StoreHome) -> None:
        self._home = home
        self._max_state_bytes = read_config(home).limits.max_state_bytes
        self._plan = load_charter(home).plan

    @property
    def active(self) -> int:
        """Number of the release that the model in use starts from, 0 for none."""
        return fitted_release(self._home) or 0

    def look(self) -> int:
        """Fetch what is new and fit what is not fitted yet; return the number in use.

        A crash between the two is made good the next time.

        Raises:
            ReleaseRefusedError: the new release failed a check; the one in use stays.
            CoopUnreachableError, CoopRefusedError: the coordinator said nothing, or no.
        """
        with member_caller(self._home) as caller:
            fetched = fetch_release(self._home, caller, max_state_bytes=self._max_state_bytes)
        release = fetched or active_release(self._home)
        if release is not None and release.manifest.number != fitted_release(self._home):
            began = time.monotonic()
            number = release.manifest.number
            fit_personal(self._home, self._plan, release.state, release=number)
            _LOG.info("release %s is in use; fitting took %.1f s", number, time.monotonic() - began)
        return self.active
