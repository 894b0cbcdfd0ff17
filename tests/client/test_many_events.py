"""A consent log of very many events of one person: brought in, read, shown, copied, ended, erased."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, Channel, ConsentEvent, Method, Purpose
from highstreet.cli import main
from highstreet.client import consent_log
from highstreet.client.consent import ConsentDesk
from highstreet.client.home import StoreHome
from highstreet.client.vault import Vault

COOP = Purpose.COOP_LEARNING
BEGAN, SECOND = 1_600_000_000_000_000, 1_000_000
#: More is asked for by this; what a million took is in docs/consent.md.
COUNT = int(os.environ.get("HIGHSTREET_MANY_EVENTS", "100000"))


def _events(customer: int, count: int) -> Iterator[ConsentEvent]:
    """A yes, a no, a yes, ... a second apart; the last is a yes."""
    for number in range(count):
        yield ConsentEvent(
            event_id=f"{number:032x}",
            customer=customer,
            purpose=COOP,
            channel=Channel.EVERYWHERE,
            act=Act.WITHDRAWN if (count - number) % 2 == 0 else Act.GIVEN,
            at=BEGAN + number * SECOND,
            method=Method.SIGNAL,
            source="shop's page",
        )


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_everything_works_for_somebody_of_very_many_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each within 200 microseconds of CPU time an event: a busy computer does not decide."""
    home = StoreHome(tmp_path / "store")
    took: dict[str, float] = {}

    def timed(what: str, act: Callable[[], object]) -> None:
        consent_log._FOLDS.clear()  # as a process that starts
        began = time.process_time()
        act()
        took[what] = time.process_time() - began

    def says(*words: str) -> None:
        assert main(["store", *words, "--home", str(home.root)]) == 0, words

    with Vault.open(home.vault) as vault:
        with vault.write() as connection:
            connection.execute("INSERT INTO customers (customer_id) VALUES ('ann'), ('ben')")
        desk, ann = ConsentDesk(vault), vault.customer_key("ann")
        timed("brought in", lambda: desk.take(_events(ann, COUNT)))
        assert desk.position() == COUNT
        timed("a process starts and asks who agrees", lambda: desk.cohort(COOP))
        assert desk.cohort(COOP).customers == (ann,)
    timed("shown", lambda: says("consent", "show", "ann"))
    timed("a copy of all data", lambda: says("rights", "access", "ann"))
    timed("withdrawn", lambda: says("consent", "record", "ann", "coop_learning", "no"))
    with Vault.open(home.vault) as vault:
        assert ConsentDesk(vault).cohort(COOP).customers == ()
    timed("erased", lambda: says("rights", "erase", "ann", "--yes"))
    with Vault.open(home.vault) as vault:
        assert ConsentDesk(vault).position() == COUNT + 1
    capsys.readouterr()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = [f"{COUNT:,} events of one person; {megabytes:,.0f} MiB at most"]
    lines += [f"  {what}: {seconds:.1f} s of CPU time" for what, seconds in took.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    slow = {what: seconds for what, seconds in took.items() if seconds > 5 + COUNT * 200e-6}
    assert not slow
