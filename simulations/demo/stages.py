"""The demo's steps, in the order a real co-op takes them; each only types commands or waits for processes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from highstreet.simulations.demo.answers import count, table, text
from highstreet.simulations.demo.commands import in_parallel
from highstreet.simulations.demo.machine import free_ports_in_a_row
from highstreet.simulations.demo.scene import Scene, Shop

__all__ = [
    "STEPS",
    "evaluate",
    "found_coop",
    "import_files",
    "join",
    "run_coop",
    "run_stores",
    "suggest",
    "train",
    "wait_for_release",
    "write_sample",
]

STEPS = 11
_START_LIMIT_SECONDS = 120.0
_TRAIN_LIMIT_SECONDS = 240.0
_RELEASE_LIMIT_SECONDS = 120.0
_PORTS = 5


def write_sample(scene: Scene, *, stores: int) -> dict[str, object]:
    """Write the shops' exports and return their index."""
    scene.commands.run("sample", "split", "--stores", str(stores), "--out", str(scene.files))
    return scene.read_shops()


def found_coop(scene: Scene, *, name: str) -> None:
    """Make the co-op on free ports of this machine."""
    scene.commands.run(
        *("coop", "init", "--home", str(scene.coop_home), "--name", name),
        *("--host", "127.0.0.1", "--port", str(free_ports_in_a_row(_PORTS))),
    )


def run_coop(scene: Scene) -> None:
    """Start the coordinator and wait until it takes joins."""
    scene.start("coordinator", "coop", "run", "--home", str(scene.coop_home))
    scene.wait_until(
        lambda: bool(coop_status(scene).get("running")),
        what="Starting the coordinator",
        limit_seconds=_START_LIMIT_SECONDS,
    )


def join(scene: Scene) -> None:
    """Invite every shop and let it join with its code."""

    def one(shop: Shop) -> None:
        answer = scene.commands.json("coop", "invite", shop.name, "--home", str(scene.coop_home), "--json")
        scene.commands.run("store", "init", "--home", str(shop.home), "--name", shop.name)
        scene.commands.run("store", "join", text(table(answer), "code"), "--home", str(shop.home))

    in_parallel(one, scene.shops)


def import_files(scene: Scene) -> None:
    """Let every shop read its products, customers with consent answers, and orders."""

    def one(shop: Shop) -> None:
        files = [str(shop.files / f"{kind}.csv") for kind in ("products", "customers", "orders")]
        scene.commands.run("store", "import", *files, "--yes", "--home", str(shop.home))

    in_parallel(one, scene.shops)


def run_stores(scene: Scene) -> None:
    """Start the stores one after the other: each loads torch once, and this machine has few cores."""
    for shop in scene.shops:
        scene.progress.detail(f"{shop.name} loads")
        scene.start(shop.home.name, "store", "run", "--home", str(shop.home))
        socket = shop.home / "run" / "store.sock"
        scene.wait_until(
            socket.exists, what=f"Starting the store of {shop.name}", limit_seconds=_START_LIMIT_SECONDS
        )


def train(scene: Scene) -> None:
    """Ask for a training and wait for its end, telling which round runs."""

    def tell(line: str) -> None:
        scene.progress.detail(re.sub(r"\s+", " ", line)[:100])

    scene.commands.watch(
        *("coop", "train", "--wait", "--home", str(scene.coop_home)),
        each_line=tell,
        limit_seconds=_TRAIN_LIMIT_SECONDS,
    )


def wait_for_release(scene: Scene) -> None:
    """Wait until every shop has verified the release, trained its own model from it and uses it."""

    def behind() -> list[str]:
        return [shop.name for shop in scene.shops if not active_release(scene, shop)]

    def all_there() -> bool:
        missing = behind()
        scene.progress.detail(f"waiting for {', '.join(missing)}" if missing else "")
        return not missing

    scene.wait_until(all_there, what="Taking up the release", limit_seconds=_RELEASE_LIMIT_SECONDS)


def suggest(scene: Scene) -> dict[str, list[Mapping[str, object]]]:
    """Make suggestions for one consenting customer of each shop; by shop name."""
    raise NotImplementedError


def evaluate(scene: Scene) -> dict[str, Mapping[str, object]]:
    """Let every shop measure its suggestions on the weeks held back; by shop name."""
    results = {}
    for shop in scene.shops:
        scene.progress.detail(shop.name)
        results[shop.name] = table(
            scene.commands.json(
                *(
                    "store",
                    "evaluate",
                    "--holdout",
                    str(shop.holdout),
                    "--home",
                    str(shop.home),
                    "--json",
                    "-",
                )
            )
        )
    return results


def coop_status(scene: Scene) -> Mapping[str, object]:
    """Ask the coordinator how things stand."""
    return table(scene.commands.json("coop", "status", "--home", str(scene.coop_home), "--json"))


def active_release(scene: Scene, shop: Shop) -> int:
    """Ask a shop which release it uses; 0 for none."""
    status = table(scene.commands.json("store", "status", "--home", str(shop.home), "--json"))
    return count(status, "active_release")
