"""A withdrawal beats what was computed and not handed over yet; what was handed over stays the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.errors import ConsentLogRewoundError
from highstreet.client import leaving_out
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_in_use import ConsentInUse
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.contribution import contribute
from highstreet.client.departures import LAST_LOOK_SECONDS, Departures
from highstreet.client.errors import StoreStoppingError
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.ledger import Ledger
from highstreet.client.person_counts import PersonCounts
from highstreet.client.retention import Tidied, tidy
from highstreet.client.special_products import special_list_path
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.models.shop import ShopData
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.matching import Counts, IdentifierKind, identifier_input
from tests.client.conftest import NOW
from tests.client.made_up_coop import by_counts, charter_of
from tests.client.played_till import PLAN, TODAY, asked_for, asked_naming, plainly

COOP, SENSITIVE = Purpose.COOP_LEARNING, Purpose.SENSITIVE_CATEGORIES
SAID = How(method=Method.SPOKEN, source="till")
TABLE = b"t" * 32


class Round:
    """A till of Ann and Ben, who both agree; what happens while a reply waits; what was computed with."""

    def __init__(self, home: StoreHome, ledger: Ledger, vault: Vault) -> None:
        self.home, self.ledger, self.vault = home, ledger, vault
        self.desk = ConsentDesk(vault)
        self.keys = {name: str(vault.customer_key(name)) for name in ("ann", "ben")}
        self.meanwhile: list[Callable[[], object]] = []
        self.shops: list[ShopData] = []
        self.terms = charter_of(PLAN).privacy

    def till(self) -> StoreTill:
        limits = SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365))
        return StoreTill(
            home=self.home,
            ledger=self.ledger,
            plan=PLAN,
            terms=self.terms,
            limits=limits,
            today=lambda: TODAY,
            approach=lambda: self.meanwhile.pop(0)() if self.meanwhile else None,  # type: ignore[func-returns-value]
        )

    def says(self, name: str, act: Act, purpose: Purpose = COOP) -> None:
        self.desk.record(name, purpose, act, SAID)

    def computed(self) -> list[set[str]]:
        """Who was in each computation, by name."""
        names = {key: name for name, key in self.keys.items()}
        return [{names[key] for key in shop.customer_ids} for shop in self.shops]

    @property
    def rounds(self) -> int:
        return self.ledger.spending(self.till().limits.budget, today=TODAY).rounds


@pytest.fixture
def played(tmp_path: Path, full_vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Round]:
    home = StoreHome(tmp_path / "store")
    with closing(Ledger.open(home.ledger)) as ledger:
        played = Round(home, ledger, full_vault)
        played.says("ben", Act.GIVEN)

        def watched(
            plan: object, phase: object, state: object, shop: ShopData, **how: object
        ) -> NDArray[np.int64]:
            played.shops.append(shop)
            return np.full(PLAN.phases[0].dimension, len(played.shops), dtype=np.int64)

        monkeypatch.setattr(leaving_out, "contribute", watched)
        yield played


def _numbered(number: int) -> bytes:
    return plainly(np.full(PLAN.phases[0].dimension, number, dtype=np.int64))


def test_who_withdraws_while_it_waits_is_not_in_what_leaves(played: Round) -> None:
    played.meanwhile = [lambda: played.says("ann", Act.WITHDRAWN)]
    assert played.till().take(asked_for(), plainly) == _numbered(2)
    assert played.computed() == [{"ann", "ben"}, {"ben"}]
    assert played.rounds == 1  # paid for once
    assert played.till().given(asked_for().request, asked_for().sha256) == _numbered(2)


def test_without_the_last_look_the_withdrawn_would_be_in_it(
    played: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: what the test above would see of a till that does not look."""
    monkeypatch.setattr(ConsentInUse, "ended", lambda *_: frozenset())
    played.meanwhile = [lambda: played.says("ann", Act.WITHDRAWN)]
    assert played.till().take(asked_for(), plainly) == _numbered(1)
    assert played.computed() == [{"ann", "ben"}]


def test_old_answers_that_are_emptied_while_it_waits_change_nothing_of_it(
    played: Round, tmp_path: Path
) -> None:
    """Cat said no long ago. Nobody who is in a sum can be emptied, so it is not computed anew."""
    said = "customer_id,consent_coop_learning,consent_recorded_at\ncat,no,2024-01-01\n"
    (tmp_path / "c.csv").write_text(said)
    list(Importer(played.vault, now=NOW).run([tmp_path / "c.csv"]))
    played.says("ann", Act.GIVEN)
    played.home.config.write_text("[consent]\nvalid_days = 5\nkeep_days = 5\n")
    done: list[Tidied] = []
    played.meanwhile = [lambda: done.append(tidy(played.home, now=datetime.now(UTC)))]
    assert played.till().take(asked_for(), plainly) == _numbered(1)
    assert [each.emptied for each in done] == [1]
    assert played.computed() == [{"ann", "ben"}]


def test_what_was_thrown_away_is_kept_nowhere(played: Round) -> None:
    played.meanwhile = [lambda: played.says("ann", Act.WITHDRAWN)]
    made = iter([b"first-made-" * 9, b"second-made-" * 9])
    assert played.till().take(asked_for(), lambda *_: next(made)) == b"second-made-" * 9
    found = [
        file.name
        for file in played.home.root.rglob("*")
        if file.is_file() and b"first-made-" in file.read_bytes()
    ]
    assert found == []


@pytest.mark.parametrize("act", [Act.WITHDRAWN, Act.REFUSED, Act.OBJECTED, Act.EXPIRED, Act.RECONSENT_NEEDED])
def test_whatever_ends_a_yes_beats_it(played: Round, act: Act) -> None:
    played.meanwhile = [lambda: played.says("ann", act)]
    played.till().take(asked_for(), plainly)
    assert played.computed()[-1] == {"ben"}


def test_everybodys_end_and_being_set_apart_beat_it_too(played: Round) -> None:
    played.meanwhile = [
        lambda: played.desk.exclude("ann", Exclusion.MINOR),
        lambda: played.desk.ask_everybody_again(COOP, source="new notice"),
    ]
    played.till().take(asked_for(), plainly)
    assert played.computed() == [{"ann", "ben"}, {"ben"}, set()]


def test_who_withdraws_and_agrees_again_is_not_brought_back_into_this_round(played: Round) -> None:
    def toggles() -> None:
        played.says("ann", Act.WITHDRAWN)
        played.says("ann", Act.GIVEN)

    played.meanwhile = [toggles, toggles, toggles]
    assert played.till().take(asked_for(), plainly) == _numbered(2)
    assert played.computed() == [{"ann", "ben"}, {"ben"}]
    played.meanwhile.clear()
    played.till().take(asked_for(b"b", "p2"), plainly)
    assert played.computed()[-1] == {"ann", "ben"}  # but into the next


def test_a_round_that_everybody_leaves_one_after_the_other_ends_with_noise_alone(played: Round) -> None:
    played.meanwhile = [
        lambda: played.says("ann", Act.WITHDRAWN),
        lambda: played.says("ben", Act.WITHDRAWN),
    ]
    assert played.till().take(asked_for(), plainly) == _numbered(3)  # as long as any, and no refusal
    assert played.computed() == [{"ann", "ben"}, {"ben"}, set()]


def test_what_touches_nobody_in_it_changes_nothing(played: Round) -> None:
    def others() -> None:
        played.says("cat", Act.WITHDRAWN)
        played.says("cat", Act.GIVEN)
        played.says("ann", Act.WITHDRAWN, Purpose.SHOP_MODEL)
        played.says("ann", Act.WITHDRAWN, SENSITIVE)
        played.says("ann", Act.WITHDRAWN, Purpose.MATCHING)
        played.says("ann", Act.GIVEN)

    played.meanwhile = [others]
    assert played.till().take(asked_for(), plainly) == _numbered(1)
    assert played.computed() == [{"ann", "ben"}]


def test_sensitive_purchases_leave_with_the_yes_to_them(played: Round) -> None:
    special_list_path(played.home.root).write_text('[kinds]\nhealth = ["bread"]\n')
    played.says("ann", Act.GIVEN, SENSITIVE)
    played.meanwhile = [lambda: played.says("ann", Act.WITHDRAWN, SENSITIVE)]
    played.till().take(asked_for(), plainly)
    first, second = played.shops
    rye = first.catalogue.product_ids.index("rye")
    assert rye in first.purchases.item
    assert rye not in second.purchases.item


def test_a_yes_to_sensitive_purchases_that_ends_right_after_the_loading_is_noticed(
    played: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    special_list_path(played.home.root).write_text('[kinds]\nhealth = ["bread"]\n')
    played.says("ann", Act.GIVEN, SENSITIVE)
    meanwhile = [lambda: played.says("ann", Act.WITHDRAWN, SENSITIVE)]
    noted = ConsentInUse.of

    def withdrawn_before(*arguments: object, **named: object) -> ConsentInUse:
        if meanwhile:
            meanwhile.pop()()
        return noted(*arguments, **named)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(ConsentInUse, "of", withdrawn_before)
    played.till().take(asked_for(), plainly)
    first, second = played.shops
    rye = first.catalogue.product_ids.index("rye")
    assert rye in first.purchases.item
    assert rye not in second.purchases.item


def test_a_count_leaves_with_the_yes_to_being_matched(played: Round) -> None:
    played.terms = by_counts(charter_of(PLAN), shops=3).privacy
    played.says("ann", Act.GIVEN, Purpose.MATCHING)
    with played.vault.write() as connection:
        connection.execute(
            "INSERT INTO identifiers VALUES (?, 'email', 'ann@example.org')", (int(played.keys["ann"]),)
        )
    played.home.coop.mkdir()
    counts = PersonCounts(played.home.person_counts, vault_id=played.vault.vault_id)
    read_for = {played.keys["ann"]: identifier_input(IdentifierKind.EMAIL, "ann@example.org")}
    counts.save(TABLE, Counts({played.keys["ann"]: 2}), read_for, consent_position=played.desk.position())
    played.meanwhile = [lambda: played.says("ann", Act.WITHDRAWN, Purpose.MATCHING)]
    played.till().take(asked_naming(TABLE), plainly)
    weights = [0.0 if shop.weights is None else float(sum(shop.weights)) for shop in played.shops]
    assert weights == [0.5, 0.0]


def test_what_was_handed_over_stays_the_same_bytes_whoever_withdraws(played: Round) -> None:
    first = played.till().take(asked_for(), plainly)
    for name in ("ann", "ben"):
        played.says(name, Act.WITHDRAWN)
    assert played.till().given(asked_for().request, asked_for().sha256) == first
    assert played.till().take(asked_for(), lambda *_: b"another") == first
    assert len(played.shops) == 1


def test_a_store_that_stops_while_it_waits_has_handed_nothing_over(played: Round) -> None:
    def stops() -> None:
        played.says("ann", Act.WITHDRAWN)
        raise StoreStoppingError("stops")

    played.meanwhile = [stops]
    with pytest.raises(StoreStoppingError):
        played.till().take(asked_for(), plainly)
    assert played.till().given(asked_for().request, asked_for().sha256) is None
    assert played.till().take(asked_for(), plainly) == _numbered(2)
    assert played.computed() == [{"ann", "ben"}, {"ben"}]
    assert played.rounds == 1


def test_a_log_put_back_while_it_waits_lets_nothing_leave(played: Round) -> None:
    played.meanwhile = [(played.home.root / "consent.head").unlink]
    with pytest.raises(ConsentLogRewoundError):
        played.till().take(asked_for(), plainly)
    assert played.till().given(asked_for().request, asked_for().sha256) is None


def test_what_is_computed_anew_draws_its_own_noise(
    tmp_path: Path, full_vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real computing: the same noise twice would give the difference, a person, away."""
    home = StoreHome(tmp_path / "store")
    made: list[NDArray[np.int64]] = []

    def watched(*arguments: object, **named: object) -> NDArray[np.int64]:
        made.append(contribute(*arguments, **named))  # type: ignore[arg-type]  # passed on
        return made[-1]

    monkeypatch.setattr(leaving_out, "contribute", watched)
    with closing(Ledger.open(home.ledger)) as ledger:
        played = Round(home, ledger, full_vault)
        played.says("ben", Act.GIVEN)
        played.meanwhile = [lambda: played.says("ben", Act.WITHDRAWN)]
        played.till().take(asked_for(), plainly)
    first, second = made
    # Independent noise of a stddev in the hundreds at least: equal in few of the coordinates.
    assert (first == second).mean() < 0.05


class Time:
    """A clock that waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("took", "looks", "leaves"),
    [
        (0.1, 1 - LAST_LOOK_SECONDS, 1.0),
        (0.9, 0.9, 1.0),
        (1.2, 2 - LAST_LOOK_SECONDS, 2.0),
        (33.0, 64 - LAST_LOOK_SECONDS, 64.0),
    ],
)
def test_the_last_look_is_shortly_before_the_departure_and_moves_it_not(
    took: float, looks: float, leaves: float
) -> None:
    time = Time()
    departures = Departures(clock=time, wait=time.wait)
    departures.begin()
    time.now = took
    departures.approach()
    assert time.now == pytest.approx(looks)
    time.now += 0.05  # looking, and keeping it
    departures.leave()
    assert time.now == pytest.approx(leaves)


def test_computing_anew_leaves_at_a_public_time_too() -> None:
    time = Time()
    departures = Departures(clock=time, wait=time.wait)
    departures.begin()
    for _ in range(2):
        time.now += 0.8
        departures.approach()
    departures.leave()
    assert time.now == 2.0


def test_nothing_is_approached_by_a_store_that_stops() -> None:
    time = Time()
    departures = Departures(clock=time, wait=time.wait)
    departures.begin()
    departures.stop()
    with pytest.raises(StoreStoppingError):
        departures.approach()
