"""The demo's steps, in the order a real co-op takes them; each only types commands or waits for processes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from highstreet.audit.charter import RoundTerms
from highstreet.audit.roster import fewest_pairs
from highstreet.client.home import StoreHome
from highstreet.client.service import ask_status
from highstreet.client.vouches import counted_members
from highstreet.simulations.demo.answers import table
from highstreet.simulations.demo.commands import in_parallel
from highstreet.simulations.demo.machine import free_ports_in_a_row
from highstreet.simulations.demo.scene import Scene, Shop

__all__ = [
    "COOP_NAME",
    "active_release",
    "customer_who_said",
    "customers_who_said",
    "evaluate",
    "floor_for",
    "found_coop",
    "import_files",
    "join",
    "run_coop",
    "run_stores",
    "suggest",
    "train",
    "vouch",
    "wait_for_release",
    "write_sample",
]

COOP_NAME = "Sample co-op"
#: Generous: a machine that is busy with other things should be slow and not fail.
_START_LIMIT_SECONDS = 300.0
_TRAIN_LIMIT_SECONDS = 900.0
_RELEASE_LIMIT_SECONDS = 300.0
_PORTS = 5
_LEAST_FLOOR = 3
_SUGGESTIONS = 8
_LOADING_AT_ONCE = 2
#: More than there are cores: most of a call is waiting for the other shop's store.
_CALLS_AT_ONCE = 4
_VOUCH_LIMIT_SECONDS = 180.0
#: How `coop train --wait` says that a round is closed.
_CLOSED = re.compile(r"\s*(\d+) of \d+: ")

Answer = Mapping[str, object]


def write_sample(scene: Scene, *, stores: int) -> Answer:
    """Write the shops' exports and return their index."""
    scene.commands.run("sample", "split", "--stores", str(stores), "--out", str(scene.files))
    return scene.read_shops()


def found_coop(scene: Scene, *, charter: Path | None = None) -> int:
    """Make the co-op on free ports of this machine, on the usual charter or a file; return the first port."""
    port = free_ports_in_a_row(_PORTS)
    usual = ("--name", COOP_NAME, "--floor", str(floor_for(len(scene.shops))))
    terms = usual if charter is None else ("--charter", str(charter))
    scene.commands.run(
        *("coop", "init", *terms, "--address", f"127.0.0.1:{port}", "--home", str(scene.coop_home))
    )
    return port


def floor_for(stores: int) -> int:
    """Return the floor of a demo's co-op: two thirds, so that noise is near the least and some may vanish.

    >>> [floor_for(stores) for stores in (3, 4, 6, 12)]
    [3, 3, 4, 8]
    """
    return max(_LEAST_FLOOR, -(-2 * stores // 3))


def run_coop(scene: Scene) -> None:
    """Start the coordinator and wait until it says that stores can join."""
    log = scene.start_coordinator()
    scene.wait_until(
        lambda: "is running" in _text(log),
        what="Starting the coordinator",
        limit_seconds=_START_LIMIT_SECONDS,
    )


def join(scene: Scene) -> dict[str, str]:
    """Invite every shop and let it join with its code; return the codes, used up by then."""

    def one(shop: Shop) -> str:
        code = scene.commands.run("coop", "invite", shop.name, "--home", str(scene.coop_home)).strip()
        scene.commands.run("store", "init", "--home", str(shop.home))
        scene.commands.run("store", "join", "-", "--home", str(shop.home), given=code)
        return code

    return dict(zip([shop.name for shop in scene.shops], in_parallel(one, scene.shops), strict=True))


def import_files(scene: Scene) -> None:
    """Let every shop read its products, customers with consent answers, and orders."""

    def one(shop: Shop) -> None:
        files = [str(shop.files / f"{kind}.csv") for kind in ("products", "customers", "orders")]
        scene.commands.run("store", "import", *files, "--yes", "--home", str(shop.home))

    in_parallel(one, scene.shops)


def run_stores(scene: Scene) -> None:
    """Start the stores, at most two loading at a time: each loads torch once, and cores are few."""
    loading: list[Shop] = []

    def settle(most: int) -> None:
        def some_left() -> bool:
            loading[:] = [shop for shop in loading if not (shop.home / "run" / "store.sock").exists()]
            return len(loading) <= most

        scene.progress.detail(f"loading {', '.join(shop.name for shop in loading)}")
        scene.wait_until(some_left, what="Starting the stores", limit_seconds=_START_LIMIT_SECONDS)

    for shop in scene.shops:
        scene.start_store(shop)
        loading.append(shop)
        settle(_LOADING_AT_ONCE - 1)
    settle(0)


def vouch(scene: Scene) -> None:
    """Let shops compare codes, as few pairs as make all count for all.

    The demo is the telephone: it carries each code from one shop's command to the other's, through no server.
    """
    pairs = fewest_pairs([shop.name for shop in scene.shops], colluders=RoundTerms().colluders)
    shops = {shop.name: shop for shop in scene.shops}
    done = count(1)

    def call(pair: tuple[str, str]) -> None:
        first, second = (shops[name] for name in pair)
        code = _vouch(scene, first, second, "--show-code")
        reply = _vouch(scene, second, first, "-", "--show-code", given=code)
        _vouch(scene, first, second, "-", given=reply)
        scene.progress.detail(f"{next(done)} of {len(pairs)} calls: {first.name} and {second.name}")

    in_parallel(call, pairs, at_once=_CALLS_AT_ONCE)
    scene.wait_until(
        lambda: all(len(counted_members(StoreHome(shop.home))) == len(shops) for shop in scene.shops),
        what="Hearing of each other's vouches",
        limit_seconds=_VOUCH_LIMIT_SECONDS,
    )


def _vouch(scene: Scene, shop: Shop, other: Shop, *words: str, given: str = "") -> str:
    return scene.commands.run("store", "vouch", other.name, *words, "--home", str(shop.home), given=given)


def train(scene: Scene, *, when_closed: Mapping[int, Callable[[], None]] | None = None) -> None:
    """Ask for a training and wait for its end, telling each round as it closes.

    Args:
        scene: of the co-op.
        when_closed: what to do, once, as soon as so many rounds are closed.

    Raises:
        CommandFailedError: it failed, or was kept back.
    """
    waiting = dict(when_closed or {})

    def hear(line: str) -> None:
        scene.progress.detail(re.sub(r"\s+", " ", line)[:100])
        closed = _CLOSED.match(line)
        if closed is not None and (do := waiting.pop(int(closed[1]), None)) is not None:
            do()

    scene.commands.watch(
        *("coop", "train", "--wait", "--as-of", _day_after_the_last_order(scene)),
        *("--home", str(scene.coop_home)),
        each_line=hear,
        limit_seconds=_TRAIN_LIMIT_SECONDS,
    )


def wait_for_release(scene: Scene) -> None:
    """Wait until every shop has verified the release, trained its own model from it and uses it."""

    def all_there() -> bool:
        missing = [shop.name for shop in scene.shops if not active_release(shop)]
        scene.progress.detail(f"{', '.join(missing)} still training" if missing else "")
        return not missing

    scene.wait_until(all_there, what="Taking up the release", limit_seconds=_RELEASE_LIMIT_SECONDS)


def suggest(scene: Scene) -> dict[str, Answer]:
    """Make suggestions for one consenting customer of each shop; answers by shop name."""

    def one(shop: Shop) -> Answer:
        customer = _regular(shop)
        words = ("store", "suggest", customer, "-k", str(_SUGGESTIONS), "--json", "--home", str(shop.home))
        return table(scene.commands.json(*words))

    return dict(zip([shop.name for shop in scene.shops], in_parallel(one, scene.shops), strict=True))


def evaluate(scene: Scene) -> dict[str, Answer]:
    """Let every shop measure its suggestions on the weeks held back; answers by shop name."""

    def one(shop: Shop) -> Answer:
        words = ("store", "evaluate", "--holdout", str(shop.holdout), "--json", "-", "--home", str(shop.home))
        answer = table(scene.commands.json(*words))
        scene.progress.detail(f"{shop.name} measured")
        return answer

    return dict(zip([shop.name for shop in scene.shops], in_parallel(one, scene.shops), strict=True))


def active_release(shop: Shop) -> int:
    """Ask a shop's running service which release it uses; 0 for none."""
    status = ask_status(shop.home / "run" / "store.sock")
    return status.active_release if status is not None else 0


def customer_who_said(path: Path, column: str, answer: str) -> str:
    """Return the first customer of a file with this answer."""
    return customers_who_said(path, column, answer)[0]


def customers_who_said(path: Path, column: str, answer: str) -> list[str]:
    """Return the customers of a file with this answer, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row["customer_id"] for row in csv.DictReader(file) if row[column] == answer]


def _day_after_the_last_order(scene: Scene) -> str:
    """The public day the training is as of: the sample is years old, and no purchase is recent by today."""
    last = ""
    for shop in scene.shops:
        with (shop.files / "orders.csv").open(encoding="utf-8", newline="") as file:
            last = max(last, max(row["ordered_at"][:10] for row in csv.DictReader(file)))
    return (date.fromisoformat(last) + timedelta(days=1)).isoformat()


def _regular(shop: Shop) -> str:
    """The customer with the most order lines among those who want suggestions."""
    willing = customers_who_said(shop.files / "customers.csv", "consent_suggestions", "yes")
    with (shop.files / "orders.csv").open(encoding="utf-8", newline="") as file:
        lines = Counter(row["customer_id"] for row in csv.DictReader(file))
    return max(willing, key=lambda customer: lines[customer])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
