"""All that is ever seen of a matching in folders, held against what must never be in them."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from highstreet.client.round_log import read_rounds
from highstreet.privacy.matching import IdentifierKind, identifier_input
from highstreet.privacy.matching.identifiers import normalise
from tests.system.real_shops import Customer, MatchingShop


class Watch:
    """Keeps all that is ever seen in some folders, and secrets that stores have while a matching goes on."""

    def __init__(self, root: Path, shops: Sequence[MatchingShop]) -> None:
        self._root = root
        self._shops = shops
        self._seen: set[bytes] = set()
        self._done: dict[Path, tuple[int, int]] = {}
        self.content = {"flower": bytearray(), "rest": bytearray()}
        self.secrets: set[bytes] = set()
        self.blindings: set[bytes] = set()
        self.lists: set[bytes] = set()

    def look(self) -> None:
        for path in sorted(self._root.rglob("*")):
            with suppress(OSError):
                stamp = (path.stat().st_mtime_ns, path.stat().st_size)
                if path.is_file() and self._done.get(path) != stamp:
                    self._done[path] = stamp
                    self._take(path)
        for shop in self._shops:
            with suppress(sqlite3.Error):
                self._ask(shop.home.matching)

    def _take(self, path: Path) -> None:
        kind = "flower" if "superlink" in path.relative_to(self._root).parts else "rest"
        data = path.read_bytes()
        for start in range(0, len(data), 4096):
            page = data[start : start + 4096]
            digest = hashlib.blake2b(page, digest_size=16).digest()
            if digest not in self._seen:
                self._seen.add(digest)
                self.content[kind] += page
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._root / "coop.db")) as connection:
            rows = connection.execute("SELECT message FROM matching_messages WHERE part = 'list'")
            self.lists |= {bytes(row[0]) for row in rows if row[0]}

    def _ask(self, path: Path) -> None:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.1)) as connection:
            for question in (
                "SELECT tag FROM customers WHERE tag IS NOT NULL",
                "SELECT secret_key FROM holders",
                "SELECT label_blinding FROM stores",
                "SELECT mask_seed FROM stores WHERE mask_seed IS NOT NULL",
                "SELECT made_up_seed FROM stores",
            ):
                self.secrets |= {bytes(row[0]) for row in connection.execute(question)}
            blindings = connection.execute("SELECT blinding FROM customers")
            self.blindings |= {bytes(row[0]) for row in blindings}

    @contextmanager
    def looking(self) -> Iterator[None]:
        ending = threading.Event()

        def keep_looking() -> None:
            while not ending.wait(0.2):
                self.look()

        thread = threading.Thread(target=keep_looking)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()
            self.look()


def _written(value: bytes) -> set[bytes]:
    """A secret in the ways in which somebody might write it."""
    return {value, value.hex().encode(), base64.b64encode(value)[:-4], base64.urlsafe_b64encode(value)[:-4]}


def _needles(customers: Sequence[Sequence[Customer]]) -> set[bytes]:
    """Identifiers as typed, in one spelling, and hashed."""
    found: set[bytes] = set()
    for one in (one for each in customers for one in each if one.email):
        plain = normalise(one.email).encode()
        found |= {plain, one.email.strip().encode(), one.customer_id.encode()}
        for text in (plain, identifier_input(IdentifierKind.EMAIL, one.email)):
            for hashed in (hashlib.sha256, hashlib.sha512, hashlib.sha1, hashlib.md5):
                found |= _written(hashed(text).digest())
    return found


def _found(needles: Iterable[bytes], data: bytes) -> list[bytes]:
    """Return the needles that are somewhere in data; each has to be eight bytes long at least."""
    wanted = {int.from_bytes(each[:8], "little"): each for each in needles}
    several: dict[int, list[bytes]] = {key: [] for key in wanted}
    for each in needles:
        several[int.from_bytes(each[:8], "little")].append(each)
    found = []
    keys = np.array(sorted(several), dtype=np.uint64)
    for shift in range(8):
        part = np.frombuffer(data[shift : shift + (len(data) - shift) // 8 * 8], dtype="<u8")
        for at in np.flatnonzero(np.isin(part, keys)):
            start = shift + 8 * int(at)
            found += [each for each in several[int(part[at])] if data[start : start + len(each)] == each]
    return found


def assert_nothing_told(watch: Watch, customers: Sequence[Sequence[Customer]], people: int) -> None:
    """Nothing the coordinator ever had on its disk holds an identifier, its hash, a tag or a key."""
    flower, rest = bytes(watch.content["flower"]), bytes(watch.content["rest"])
    shops = len(customers)
    # One tag for each person who is matched, two keys, one mask; a seed, and label blinding, of each shop.
    assert len(watch.secrets) == people + 2 + 1 + 2 * shops
    assert len(watch.blindings) >= people  # one in each shop of theirs
    secrets = watch.secrets | watch.blindings
    sought = _needles(customers) | {form for secret in secrets for form in _written(secret)}
    assert min(map(len, sought)) >= 8
    assert _found(sought, flower + rest) == []
    # What did travel is found by the same search, also where Flower keeps what it carries.
    carried = {message[100:164] for message in watch.lists}
    assert len(carried) == shops
    assert set(_found(carried, flower)) == carried
    assert set(_found(carried, rest)) == carried


def assert_destroyed(watch: Watch, shops: Sequence[MatchingShop]) -> None:
    """No secret of the matching is left on any shop's disk."""
    sought = {form for secret in watch.secrets | watch.blindings for form in _written(secret)}
    for shop in shops:
        with closing(sqlite3.connect(shop.home.matching)) as connection:
            for table in ("holders", "answers", "customers", "stores"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
        for path in shop.home.root.rglob("*"):
            if path.is_file():
                assert _found(sought, path.read_bytes()) == [], path


def assert_sizes_tell_nothing(shops: Sequence[MatchingShop]) -> None:
    """What left for a step is of one size, whoever it left, however many customers it has."""
    sizes: dict[str, set[int]] = {}
    for shop in shops:
        for note in read_rounds(shop.home):
            if note.phase == "matching" and note.outcome == "sent":
                sizes.setdefault(note.what, set()).add(note.reply_bytes)
    assert {"matching key", "blinded list", "table of a matching"} <= sizes.keys()
    assert all(len(each) == 1 for each in sizes.values()), sizes
