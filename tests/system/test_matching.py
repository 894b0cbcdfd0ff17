"""Real stores count at how many of them each of their customers shops, over Flower, whatever is killed."""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from itertools import combinations
from pathlib import Path

import pytest

from highstreet.audit.requests import MESSAGE_LIMIT_BYTES
from highstreet.cli import main
from highstreet.client.round_log import read_rounds
from highstreet.privacy.releases import Weighting
from highstreet.protos.rounds_pb2 import RoundRequest, SignedRequest
from highstreet.server.database import connect
from highstreet.server.matching_book import MatchingBook
from highstreet.server.releases import all_manifests
from tests.system.matching_watch import (
    Watch,
    assert_destroyed,
    assert_nothing_told,
    assert_sizes_tell_nothing,
)
from tests.system.real_coop import MatchingCoop
from tests.system.real_processes import Process
from tests.system.real_shops import Customer, MatchingShop

pytestmark = [pytest.mark.system, pytest.mark.slow]

Making = Callable[..., AbstractContextManager["MatchingCoop"]]

#: Of some 100 counts each is unknown with probability below 1.6 % (docs/matching.md, section 3), and far less
#: with few entries in the table: more than 12 unknown has probability below 1e-7.
_MOST_UNKNOWN = 12


def _email(person: str, shop: int) -> str:
    """One address, as people of different habits type it."""
    typed = f"{person}@mail-{hashlib.sha256(person.encode()).hexdigest()[:6]}.example"
    return [typed, typed.upper(), f"  {typed} ", typed.title()][shop % 4]


def _planted(
    customer: Callable[..., Customer], shops: int
) -> tuple[list[list[Customer]], list[dict[str, int]]]:
    """Return customers and true counts: two persons for each set of shops, and people who are not matched."""
    customers: list[list[Customer]] = [[] for _ in range(shops)]
    true: list[dict[str, int]] = [{} for _ in range(shops)]

    def plant(person: str, where: Iterable[int], k: int | None, **said: str) -> None:
        for shop in where:
            name = f"s{shop}-{person}"
            customers[shop].append(customer(customer_id=name, email=_email(person, shop), **said))
            if k is not None:
                true[shop][name] = k

    everywhere = range(shops)
    for size in range(1, shops + 1):
        for where in combinations(everywhere, size):
            for twin in "ab":
                plant(f"planted-{''.join(map(str, where))}{twin}", where, size)
    plant("silent-person", everywhere, None, matching="")
    plant("unwilling-person", everywhere, None, matching="no")
    plant("matched-only-person", everywhere, None, coop_learning="no")
    plant("partly-person", [0], None, matching="no")
    plant("partly-person", range(1, shops), shops - 1)
    for shop in everywhere:
        customers[shop] += [customer(customer_id=f"s{shop}-nameless-{i}") for i in range(2)]
    return customers, true


def _assert_true(shops: Sequence[MatchingShop], true: Sequence[dict[str, int]]) -> None:
    """Every count is the planted one; a few may be unknown; nobody else has one."""
    unknown = 0
    for shop, expected in zip(shops, true, strict=True):
        read = shop.shops_of
        assert read.items() <= expected.items()
        unknown += len(expected) - len(read)
    assert unknown <= _MOST_UNKNOWN
    assert sum(len(each) for each in true) > 3 * _MOST_UNKNOWN  # nearly all of them were read


def _counted(true: Sequence[dict[str, int]]) -> list[dict[str, int]]:
    """The true counts when only these shops are in the sum."""
    people = Counter(name.partition("-")[2] for each in true for name in each)
    return [{name: people[name.partition("-")[2]] for name in each} for each in true]


def _holders(coop: MatchingCoop) -> list[MatchingShop]:
    """The shops that hold keys in the latest matching."""
    with closing(connect(coop.coop.home.database)) as connection:
        rows = connection.execute(
            "SELECT name FROM matching_messages JOIN members USING (member_id) JOIN programmes USING"
            " (programme_id) WHERE part = 'key' AND programmes.number = (SELECT max(number) FROM programmes)"
        )
        names = {row["name"] for row in rows}
    return [shop for shop in coop.shops if shop.home.root.name in names]


def test_shops_count_their_customers_shops_and_the_coordinator_holds_nothing_of_them(
    matching: Making, make_customer: Callable[..., Customer]
) -> None:
    customers, true = _planted(make_customer, 4)
    with matching(customers, deadline_seconds=120) as coop:
        withdrawn = coop.shops[0].customers[0].customer_id
        del true[0][withdrawn]
        said = [
            "store",
            "consent",
            "record",
            withdrawn,
            "matching",
            "no",
            "--home",
            str(coop.shops[0].home.root),
        ]
        assert main(said) == 0
        watch = Watch(coop.coop.home.root, coop.shops)
        with watch.looking():
            typed = coop.match("--wait")
        assert typed.returncode == 0, typed.stderr
        assert "The matching is finished" in typed.stdout
        _assert_true(coop.shops, true)
        people = {name.partition("-")[2] for each in true for name in each}
        assert_nothing_told(watch, customers, len(people))
        assert_destroyed(watch, coop.shops)
        assert_sizes_tell_nothing(coop.shops)


def _part(coop: MatchingCoop, part: str, least: int) -> Callable[[], bool]:
    """Whether so many messages of a part of the latest matching are on record."""

    def holds() -> bool:
        with closing(connect(coop.coop.home.database)) as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM matching_messages JOIN programmes USING (programme_id) WHERE part = ?"
                " AND programmes.number = (SELECT max(number) FROM programmes)",
                (part,),
            ).fetchone()
        return int(count) >= least

    return holds


def _has_evidence(coop: MatchingCoop, matching_id: str) -> bool:
    """Whether what the stores read a matching's sum from is on record."""
    with closing(connect(coop.coop.home.database)) as connection:
        return bool(MatchingBook(connection).evidence(matching_id))


def _latest(coop: MatchingCoop) -> str:
    with closing(connect(coop.coop.home.database)) as connection:
        row = connection.execute("SELECT programme_id FROM programmes ORDER BY number DESC").fetchone()
    return str(row["programme_id"])


def _kill_serverapp(coop: MatchingCoop) -> None:
    name, coordinator = "flwr-serverapp", coop.coop.process.pid
    coop.coop.until(lambda: name in coop.coop.children_of(coordinator), 120)
    with suppress(ProcessLookupError):
        os.kill(coop.coop.children_of(coordinator)[name], signal.SIGKILL)


def _kill_and_start(coop: MatchingCoop, process: Process) -> None:
    children = coop.coop.children_of(process.pid)
    process.kill()
    coop.coop.until(lambda: not any(_is_running(pid) for pid in children.values()), 20)
    process.start()
    process.wait_ready()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _assert_one_voice(shops: Sequence[MatchingShop]) -> None:
    """However often a shop was asked for one thing, the same bytes left; evaluations have fresh proofs."""
    fixed = {"matching key", "blinded list", "table of a matching", "agreement", "share of the sum"}
    asked_again = 0
    for shop in shops:
        sent: dict[str, list[str]] = {}
        for note in read_rounds(shop.home):
            if note.outcome == "sent" and note.what in fixed:
                sent.setdefault(note.what, []).append(note.reply_sha256)
        assert all(len(set(each)) == 1 for each in sent.values()), (shop.home.root.name, sent)
        asked_again += sum(len(each) - 1 for each in sent.values())
    assert asked_again  # the test would say nothing otherwise


def test_stores_serverapp_and_coordinator_are_killed_and_the_matching_goes_on_with_one_voice(
    matching: Making, make_customer: Callable[..., Customer]
) -> None:
    customers, true = _planted(make_customer, 5)
    with matching(customers, deadline_seconds=300) as coop:
        until = coop.coop.until
        watch = Watch(coop.coop.home.root, coop.shops)
        with watch.looking():
            assert coop.match().returncode == 0
            until(_part(coop, "key", 1), 120)
            _kill_serverapp(coop)
            until(_part(coop, "key", 2), 120)
            holders = _holders(coop)
            others = [shop for shop in coop.shops if shop not in holders]
            assert len(holders) == 2
            _kill_and_start(coop, holders[0].process)
            until(_part(coop, "list", 2), 200)
            _kill_and_start(coop, others[0].process)
            until(_part(coop, "evaluations", 1), 200)
            _kill_and_start(coop, holders[1].process)
            until(lambda: coop.coop.open_rounds(_latest(coop)) > 0, 200)
            _kill_and_start(coop, coop.coop.process)
            _kill_and_start(coop, others[1].process)
            matched = _latest(coop)
            until(lambda: _has_evidence(coop, matched) or coop.coop.state_of(matched) == "failed", 300)
            _kill_serverapp(coop)
            coop.coop.wait_finished(_latest(coop))
        _assert_true(coop.shops, true)
        _assert_one_voice(coop.shops)
        assert_destroyed(watch, coop.shops)


def test_a_holder_that_stops_for_good_fails_one_matching_and_a_shop_that_is_away_none(
    matching: Making, make_customer: Callable[..., Customer]
) -> None:
    """Six shops: a holder is switched off, so that others hold keys in the next; there a shop vanishes.

    That one gave its table, so it is in the sum, and reads it when it is back. Nobody waits for it.
    """
    customers, true = _planted(make_customer, 6)
    with matching(customers, deadline_seconds=60) as coop:
        until = coop.coop.until
        assert coop.match().returncode == 0
        until(_part(coop, "key", 2), 60)
        gone = _holders(coop)[0]
        gone.process.stop()
        typed = coop.match("--wait")
        assert typed.returncode == 1
        assert f"{gone.home.root.name} (" in typed.stderr
        assert "evaluated no lists in time" in typed.stderr
        assert "highstreet coop match" in typed.stderr
        assert all(shop.counts is None for shop in coop.shops)

        assert coop.match().returncode == 0
        matched = _latest(coop)
        until(lambda: _has_evidence(coop, matched) or coop.coop.state_of(matched) == "failed", 200)
        assert gone not in _holders(coop)
        away = next(shop for shop in coop.shops if shop is not gone)
        away.process.kill()
        coop.coop.wait_finished(matched, seconds=60)
        assert coop.typed("remove", gone.home.root.name).returncode == 0
        typed = coop.typed("train")
        assert typed.returncode == 0, typed.stderr
        training = _latest(coop)
        until(lambda: coop.coop.open_rounds(training) > 0, 60)
        away.process.start()
        away.process.wait_ready()
        coop.coop.wait_finished(training)
        until(lambda: away.counts is not None, 60)
        there = [shop for shop in coop.shops if shop is not gone]
        _assert_true(there, _counted([true[coop.shops.index(shop)] for shop in there]))
        until(lambda: not _has_evidence(coop, matched), 30)
        assert gone.counts is None


def test_a_training_divides_by_what_the_latest_matching_counted(
    matching: Making, make_customer: Callable[..., Customer]
) -> None:
    """Refused before a matching; then every round names its table. Who lost its counts adds noise alone."""
    customers, true = _planted(make_customer, 4)
    with matching(customers, deadline_seconds=120, counts_weigh=True) as coop:
        typed = coop.typed("train")
        assert typed.returncode == 1
        assert "highstreet coop match" in typed.stderr
        assert coop.match("--wait").returncode == 0
        _assert_true(coop.shops, true)
        tables = {shop.counts.table_request_sha256 for shop in coop.shops if shop.counts is not None}
        assert len(tables) == 1
        coop.shops[3].home.person_counts.unlink()

        typed = coop.typed("train", "--wait")
        assert typed.returncode == 0, typed.stderr
        assert "Contributions are divided by the counts of matching 1" in typed.stdout
        requests = [
            RoundRequest.FromString(SignedRequest.FromString(each).request)
            for each in coop.coop.requests(_latest(coop))
        ]
        assert len(requests) > 1
        assert {each.matching_table_sha256 for each in requests} == tables
        assert coop.coop.contributors(_latest(coop)) == [4] * len(requests)
        with closing(connect(coop.coop.home.database)) as connection:
            (released,) = all_manifests(connection)
        assert released.claims.person.weighting is Weighting.ONE_OVER_SHOPS
        for phase in range(len(requests)):
            sent = [reply for shop in coop.shops for (_, at), reply in shop.replies().items() if at == phase]
            assert len(sent) == 4
            assert len({len(each) for each in sent}) == 1  # who has no counts is not told by the size


#: The most that four stores are not refused (docs/matching.md, section 8): messages of close to 64 MiB.
_MOST_OF_FOUR = 32_704


def test_a_matching_as_large_as_the_charter_allows_is_carried(
    matching: Making, make_customer: Callable[..., Customer]
) -> None:
    customers, true = _planted(make_customer, 4)
    with matching(customers, deadline_seconds=240, identifiers=_MOST_OF_FOUR, max_dimension=1 << 22) as coop:
        typed = coop.match("--wait")
        assert typed.returncode == 0, typed.stderr
        _assert_true(coop.shops, true)
        longest = max(note.request_bytes for shop in coop.shops for note in read_rounds(shop.home))
        assert longest > 0.99 * MESSAGE_LIMIT_BYTES
