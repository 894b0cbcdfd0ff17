"""Programmes survive kill -9 of any of our processes; nothing is spent or answered twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Coop, Shop

pytestmark = [pytest.mark.system]

Victim = Callable[["Coop", "list[Shop]"], None]


def _serverapp(coop: Coop, shops: list[Shop]) -> None:
    _kill_child(coop, "flwr-serverapp")


def _superlink(coop: Coop, shops: list[Shop]) -> None:
    _kill_child(coop, "flower-superlink")


def _superexec(coop: Coop, shops: list[Shop]) -> None:
    _kill_child(coop, "flower-superexec")


def _coordinator(coop: Coop, shops: list[Shop]) -> None:
    children = coop.children_of(coop.process.pid)
    coop.process.kill()
    coop.until(lambda: not any(_is_running(pid) for pid in children.values()), 20)
    coop.process.start()
    coop.process.wait_ready()


def _store(coop: Coop, shops: list[Shop]) -> None:
    children = coop.children_of(shops[0].process.pid)
    shops[0].process.kill()
    coop.until(lambda: not any(_is_running(pid) for pid in children.values()), 20)
    shops[0].process.start()
    shops[0].process.wait_ready()


def _shim(coop: Coop, shops: list[Shop]) -> None:
    name, store = "highstreet.client.shim", shops[0].process.pid
    coop.until(lambda: name in coop.children_of(store), 180)
    os.kill(coop.children_of(store)[name], signal.SIGKILL)


def _kill_child(coop: Coop, name: str) -> None:
    coop.until(lambda: name in coop.children_of(coop.process.pid), 180)
    os.kill(coop.children_of(coop.process.pid)[name], signal.SIGKILL)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _train_while_killing(coop: Coop, shops: list[Shop], victims: dict[int, Victim]) -> None:
    """Run a programme; in each round named, kill once it is open. Then nothing may have happened twice."""
    programme = coop.train()
    requests: list[bytes] = []
    replies = [dict[tuple[str, int], bytes]() for _ in shops]
    for index, kill in sorted(victims.items()):
        coop.until(lambda index=index: coop.open_rounds(programme) > index, 400)
        requests = coop.requests(programme)
        kill(coop, shops)
        for seen, shop in zip(replies, shops, strict=True):
            seen.update(shop.replies())
    coop.wait_finished(programme)
    phases = len(coop.charter.plan.phases)
    assert coop.requests(programme)[: len(requests)] == requests
    assert coop.closed_rounds(programme) == phases
    for seen, shop in zip(replies, shops, strict=True):
        spends = [phase for name, phase, _ in shop.rounds() if name == programme]
        assert spends == list(range(phases))
        final = shop.replies()
        assert all(final[key] == reply for key, reply in seen.items())
        assert {phase for name, phase in final if name == programme} == set(range(phases))


def test_serverapp_and_superlink_are_killed_in_one_programme(coop: Coop, shops: list[Shop]) -> None:
    _train_while_killing(coop, shops, {0: _serverapp, 1: _superlink, 2: _serverapp})


def test_the_coordinator_is_killed_leaves_nothing_behind_and_goes_on(coop: Coop, shops: list[Shop]) -> None:
    _train_while_killing(coop, shops, {1: _coordinator})


@pytest.mark.slow
@pytest.mark.parametrize("round_index", [0, 1, 2])
@pytest.mark.parametrize("victim", [_serverapp, _superlink, _superexec, _coordinator, _store, _shim])
def test_any_process_is_killed_in_any_round(
    coop: Coop, shops: list[Shop], victim: Victim, round_index: int
) -> None:
    _train_while_killing(coop, shops, {round_index: victim})


@pytest.mark.slow
def test_everything_is_killed_in_every_round(coop: Coop, shops: list[Shop]) -> None:
    def all_of_it(coop: Coop, shops: list[Shop]) -> None:
        for victim in (_serverapp, _store, _superlink, _coordinator, _shim):
            victim(coop, shops)

    _train_while_killing(coop, shops, {0: all_of_it, 1: all_of_it, 2: all_of_it})
