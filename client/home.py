"""The store's folder: where each file of one shop lies, readable by its owner alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from highstreet.client.erasure_register import erasure_register_file
from highstreet.files import make_private_folder

__all__ = ["HOME_VARIABLE", "StoreHome"]

HOME_VARIABLE = "HIGHSTREET_STORE_HOME"


@dataclass(frozen=True, slots=True)
class StoreHome:
    """Paths inside a store's folder; nothing is created until it is needed.

    Attributes:
        root: the folder itself (`--home`, else HIGHSTREET_STORE_HOME, else ~/.highstreet/store).
    """

    root: Path

    @classmethod
    def locate(cls, given: Path | None = None) -> StoreHome:
        """Choose the folder: the one given, else the environment's, else the one in the user's home."""
        if given is not None:
            return cls(given.expanduser().absolute())
        named = os.environ.get(HOME_VARIABLE, "")
        return cls(Path(named).absolute() if named else Path.home() / ".highstreet" / "store")

    @property
    def config(self) -> Path:
        """The shop's own settings and limits."""
        return self.root / "store.toml"

    @property
    def vault(self) -> Path:
        """The customers' data."""
        return self.root / "vault.db"

    @property
    def ledger(self) -> Path:
        """What was spent of the privacy budget, and the replies already given."""
        return self.root / "ledger.db"

    @property
    def matching(self) -> Path:
        """Secrets of the matching under way, and which ones there were; stays when the store leaves."""
        return self.root / "matching.db"

    @property
    def person_counts(self) -> Path:
        """At how many shops of the co-op each customer shops, as the latest matching told."""
        return self.coop / "person_counts.json"

    @property
    def keys(self) -> Path:
        """Private keys of this store; they never leave it."""
        return self.root / "keys"

    @property
    def coop(self) -> Path:
        """What the store accepted when it joined: charter, roster, certificates."""
        return self.root / "coop"

    @property
    def leaving(self) -> Path:
        """There from when the co-op is told that the store leaves until its papers are put away."""
        return self.coop / "leaving"

    @property
    def log(self) -> Path:
        """The store's log of one membership (docs/log.md); it goes with the membership."""
        return self.coop / "log"

    @property
    def log_mark(self) -> Path:
        """The newest head of the log once more, apart from it; it goes with the keys."""
        return self.keys / "log.mark"

    @property
    def attestations(self) -> Path:
        """What opens the attestations of rounds; it goes with the membership."""
        return self.coop / "attestations"

    @property
    def erasure_openings(self) -> Path:
        """What opens the log's entries about erasures; it goes with the membership."""
        return self.coop / "erasures.jsonl"

    @property
    def matchings(self) -> Path:
        """What was sent in the latest matchings, sealed; it goes with the membership."""
        return self.coop / "matchings"

    @property
    def witness(self) -> Path:
        """The checkpoints of the coordinator's log that this store cosigned."""
        return self.coop / "witness"

    @property
    def releases(self) -> Path:
        """Verified releases of the co-op."""
        return self.root / "releases"

    @property
    def releases_seen(self) -> Path:
        """The newest release accepted of each co-op; stays when the store leaves."""
        return self.root / "releases_seen.json"

    @property
    def personal(self) -> Path:
        """Models trained on this shop's own customers; they never leave it."""
        return self.root / "personal"

    @property
    def erasures(self) -> Path:
        """Who was erased, as keyed digests, for as long as a backup may bring them back."""
        return erasure_register_file(self.root)

    @property
    def rights(self) -> Path:
        """What was made for customers who asked for their data, and certificates of erasures."""
        return self.root / "rights"

    @property
    def shopify_secret(self) -> Path:
        """What Shopify signs its calls with, and the shop's name there."""
        return self.root / "shopify.json"

    @property
    def logs(self) -> Path:
        """Logs, free of personal data."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Locks and sockets of running processes."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """Held while `highstreet store run` works."""
        return self.run / "store.lock"

    @property
    def former(self) -> Path:
        """Papers and releases of memberships that have ended, a folder each."""
        return self.root / "former"

    @property
    def socket(self) -> Path:
        """The store service's Unix socket."""
        return self.run / "store.sock"

    def ensure(self) -> StoreHome:
        """Make the folder itself, private to its owner."""
        make_private_folder(self.root)
        return self
