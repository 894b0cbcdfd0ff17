"""Watches for a new release: fetches and checks it, has the shop's own model fitted from it."""

from __future__ import annotations

import logging
import time

from highstreet.client.config import read_config
from highstreet.client.home import StoreHome
from highstreet.client.membership import member_caller
from highstreet.client.personal_model import refresh_model
from highstreet.client.releases import active_release, fetch_release

__all__ = ["ReleaseWatch"]

_LOG = logging.getLogger("highstreet.store")


class ReleaseWatch:
    """Looks for a release when asked to.

    Args:
        home: the store's folder.

    Attributes:
        fitted: number of the release that the shop's model starts from, 0 for none.
    """

    def __init__(self, home: StoreHome) -> None:
        self._home = home
        self._max_state_bytes = read_config(home).limits.max_state_bytes
        self.fitted = 0

    def look(self) -> int:
        """Fetch what is new and fit what is not fitted yet; return the number of the release in use.

        A crash between the two is made good the next time.

        Raises:
            ReleaseRefusedError: the new release failed a check; the one in use stays.
            CoopUnreachableError, CoopRefusedError: the coordinator said nothing, or no.
        """
        with member_caller(self._home) as caller:
            fetched = fetch_release(self._home, caller, max_state_bytes=self._max_state_bytes)
        release = fetched or (None if self.fitted else active_release(self._home))
        if release is not None and release.manifest.number != self.fitted:
            began = time.monotonic()
            refresh_model(self._home)
            self.fitted = release.manifest.number
            _LOG.info("release %s is in use; fitting took %.1f s", self.fitted, time.monotonic() - began)
        return self.fitted
