"""The consent desk: only its cohorts open customers' data, and a withdrawal beats them at any time."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - to show that a cohort refuses it
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.consent import Act, Channel, Purpose
from highstreet.audit.errors import InconsistentConsentLogError, UnknownChannelError, UnknownPurposeError
from highstreet.client.consent import ConsentDesk
from highstreet.client.consented_cohort import COHORT_LIFETIME_SECONDS, ConsentedCohort, ShopTotals
from highstreet.client.errors import ClockSetBackError, CohortExpiredError, ForgedCohortError
from highstreet.client.shop_loader import day_number, load_shop
from highstreet.client.shop_totals import best_sellers
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from tests.client.turned_clocks import COOP, SAID, SECOND, TODAY, Clocks, loaded_by, names_in


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def desk(full_vault: Vault, clocks: Clocks) -> ConsentDesk:
    return clocks.desk(full_vault)


def test_only_customers_who_agreed_to_this_purpose_are_loaded(full_vault: Vault, desk: ConsentDesk) -> None:
    loaded = {
        purpose: names_in(full_vault, loaded_by(full_vault, desk.cohort(purpose), purpose=purpose))
        for purpose in Purpose
    }
    assert loaded == {
        Purpose.SUGGESTIONS_HERE: {"ann"},
        Purpose.SHOP_MODEL: {"ann", "ben"},
        Purpose.COOP_LEARNING: {"ann"},
        Purpose.EMAIL_MARKETING: set(),
        Purpose.MATCHING: set(),
        Purpose.SENSITIVE_CATEGORIES: set(),
    }


def test_a_cohort_for_two_purposes_holds_who_agreed_to_both(full_vault: Vault, desk: ConsentDesk) -> None:
    desk.record("ben", Purpose.MATCHING, Act.GIVEN, SAID)
    assert desk.cohort(COOP, Purpose.MATCHING).customers == ()
    desk.record("ann", Purpose.MATCHING, Act.GIVEN, SAID)
    both = desk.cohort(COOP, Purpose.MATCHING)
    assert both.purposes == {COOP, Purpose.MATCHING}
    assert both.customers == (full_vault.customer_key("ann"),)
    for purpose in (COOP, Purpose.MATCHING):
        desk.record("ann", purpose, Act.WITHDRAWN, SAID)
        assert loaded_by(full_vault, both).customer_ids == ()  # either withdrawal is enough
        desk.record("ann", purpose, Act.GIVEN, SAID)
        assert len(loaded_by(full_vault, both).customer_ids) == 1


def test_a_loaded_shop_holds_what_its_customers_bought_and_the_listed_catalogue(
    full_vault: Vault, desk: ConsentDesk
) -> None:
    shop = loaded_by(full_vault, desk.cohort(Purpose.SHOP_MODEL), purpose=Purpose.SHOP_MODEL)
    assert shop.catalogue.product_ids == ("jam", "rye", "tea")
    assert shop.as_of == day_number(TODAY)
    bought = shop.purchases
    rows = {
        (int(c), shop.catalogue.product_ids[i], int(d), float(q))
        for c, i, d, q in zip(bought.customer, bought.item, bought.day, bought.quantity, strict=True)
    }
    may, june = day_number(date(2026, 5, 1)), day_number(date(2026, 6, 9))
    assert rows == {(0, "tea", may, 1), (0, "rye", may, 2), (0, "rye", june, 1), (1, "jam", may + 2, 1)}


def test_only_earlier_days_are_loaded(full_vault: Vault, desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    assert len(loaded_by(full_vault, cohort, date(2026, 6, 9)).purchases) == 2
    assert len(loaded_by(full_vault, cohort, date(2026, 6, 10)).purchases) == 3


def test_a_product_that_no_list_names_is_not_in_the_catalogue(full_vault: Vault, desk: ConsentDesk) -> None:
    with full_vault.write() as connection:
        connection.execute("UPDATE products SET listed = 0 WHERE product_id = 'rye'")
    shop = loaded_by(full_vault, desk.cohort(COOP))
    assert shop.catalogue.product_ids == ("jam", "tea")
    assert len(shop.purchases) == 1


def test_customers_are_named_by_row_key_only(full_vault: Vault, desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    assert loaded_by(full_vault, cohort).customer_ids == (str(full_vault.customer_key("ann")),)
    assert cohort.customers == (full_vault.customer_key("ann"),)
    assert "ann" not in repr(cohort)


def test_a_part_of_a_cohort_can_be_loaded_and_nobody_outside_it(full_vault: Vault, desk: ConsentDesk) -> None:
    keys = {name: full_vault.customer_key(name) for name in ("ann", "ben", "cat")}
    cohort = desk.cohort(Purpose.SHOP_MODEL)
    two = frozenset({keys["ben"], keys["cat"]})
    part = load_shop(full_vault, cohort, FeatureSchema(), TODAY, purpose=Purpose.SHOP_MODEL, only=two)
    assert names_in(full_vault, part) == {"ben"}
    assert len(part.purchases) == 1


def test_a_withdrawal_beats_a_cohort_already_made(full_vault: Vault, desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    desk.record("ann", COOP, Act.WITHDRAWN, SAID)
    assert len(cohort) == 1
    assert loaded_by(full_vault, cohort).customer_ids == ()


def test_who_agrees_later_is_not_slipped_into_an_older_cohort(full_vault: Vault, desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    desk.record("ben", COOP, Act.GIVEN, SAID)
    assert names_in(full_vault, loaded_by(full_vault, cohort)) == {"ann"}
    assert names_in(full_vault, loaded_by(full_vault, desk.cohort(COOP))) == {"ann", "ben"}


def test_a_cohort_cannot_be_made_by_hand(full_vault: Vault, desk: ConsentDesk) -> None:
    with pytest.raises(ForgedCohortError):
        ConsentedCohort()
    with pytest.raises(ForgedCohortError):
        type("Wider", (ConsentedCohort,), {})  # type: ignore[misc]  # it is final: that is the point
    with pytest.raises(ForgedCohortError):
        loaded_by(full_vault, object.__new__(ConsentedCohort))
    for thing in (None, [1, 2], desk):
        with pytest.raises(ForgedCohortError):
            loaded_by(full_vault, thing)  # type: ignore[arg-type]  # what a careless caller might pass


def test_a_cohort_cannot_be_copied_changed_or_stored(desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ForgedCohortError):
            attempt(cohort)
    with pytest.raises(AttributeError):
        cohort.customers = (1, 2, 3)  # type: ignore[misc]  # read-only: that is the point


def test_a_cohort_opens_no_other_vault(full_vault: Vault, desk: ConsentDesk, tmp_path: Path) -> None:
    with Vault.open(tmp_path / "other" / "vault.db") as other, pytest.raises(ForgedCohortError):
        loaded_by(other, desk.cohort(COOP))


def test_a_cohort_expires(full_vault: Vault, desk: ConsentDesk, clocks: Clocks) -> None:
    cohort = desk.cohort(COOP)
    clocks.monotonic += COHORT_LIFETIME_SECONDS - 1
    assert len(loaded_by(full_vault, cohort).customer_ids) == 1
    clocks.monotonic += 1
    with pytest.raises(CohortExpiredError):
        loaded_by(full_vault, cohort)


def test_an_unknown_purpose_opens_nothing(desk: ConsentDesk) -> None:
    with pytest.raises(UnknownPurposeError):
        desk.cohort("everything")  # type: ignore[arg-type]  # what a careless caller might pass


#: A row as the log's own, but for what is wrong with it: the leaf belongs to no event.
_ADDED = """
    INSERT INTO consents
        (position, leaf, salt, event_id, customer, purpose, channel, act, "at", method, source)
    VALUES ({}, zeroblob(32), randomblob(32), '00000000000000000000000000000000', {}, '{}', '{}', '{}', 5,
        'spoken', '')
"""


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_ADDED.format(99, 1, "coop_learning", "everywhere", "given"), "entry 99"),
        (_ADDED.format(7, 1, "world_domination", "everywhere", "given"), "entry 7 cannot be read"),
        (_ADDED.format(7, 1, "coop_learning", "everywhere", "perhaps"), "entry 7 cannot be read"),
        (_ADDED.format(7, 1, "coop_learning", "everywhere", "given"), "entry 7 was changed"),
        (_ADDED.format(7, "NULL", "coop_learning", "everywhere", "given"), "entry 7 cannot be read"),
        ("INSERT INTO consents (position, leaf) VALUES (8, zeroblob(32))", "entry 7 is missing"),
    ],
)
def test_a_log_that_cannot_be_relied_on_opens_nothing(
    full_vault: Vault, desk: ConsentDesk, damage: str, said: str
) -> None:
    cohort, totals = desk.cohort(COOP), desk.totals()
    with full_vault.write() as connection:
        connection.execute(damage)
    for attempt in (
        lambda: desk.cohort(COOP),
        lambda: desk.totals(),
        lambda: desk.root(),
        lambda: loaded_by(full_vault, cohort),
        lambda: best_sellers(full_vault, totals, since_day=0),
        lambda: desk.record("ann", COOP, Act.WITHDRAWN, SAID),
    ):
        with pytest.raises(InconsistentConsentLogError, match=said):
            attempt()


def test_counts_say_who_agreed_withdrew_or_was_not_asked(desk: ConsentDesk) -> None:
    counts = desk.counts()[COOP]
    assert (counts.granted, counts.withdrawn, counts.not_asked) == (1, 1, 1)


steps = st.lists(
    st.tuples(
        st.sampled_from(["grant", "withdraw", "mint", "load", "clock"]),
        st.sampled_from(["ann", "ben", "cat"]),
        st.integers(-20, 20),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_whatever_happens_no_customer_is_loaded_without_a_standing_grant(
    steps: list[tuple[str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, Vault.open(Path(folder) / "s" / "vault.db") as vault:
        with vault.write() as connection:
            connection.execute("INSERT INTO customers (customer_id) VALUES ('ann'), ('ben'), ('cat')")
        clocks = Clocks()
        desk = clocks.desk(vault)
        agrees = dict.fromkeys(("ann", "ben", "cat"), False)  # an independent account of who agrees
        cohort = desk.cohort(COOP)
        attempts: dict[str, Callable[[str], None]] = {
            "grant": lambda who: desk.record(who, COOP, Act.GIVEN, SAID),
            "withdraw": lambda who: desk.record(who, COOP, Act.WITHDRAWN, SAID),
        }
        for what, who, seconds in steps:
            try:
                if what == "clock":
                    clocks.now += seconds * SECOND
                elif what == "mint":
                    cohort = desk.cohort(COOP)
                elif what == "load":
                    loaded = names_in(vault, loaded_by(vault, cohort))
                    assert loaded <= {name for name, agreed in agrees.items() if agreed}
                else:
                    attempts[what](who)
                    agrees[who] = what == "grant"
            except ClockSetBackError:
                continue


def test_a_cohort_for_a_channel_holds_who_agreed_there(full_vault: Vault, desk: ConsentDesk) -> None:
    ann = full_vault.customer_key("ann")
    desk.record("ann", COOP, Act.WITHDRAWN, SAID, channel=Channel.WEB)
    web, till = desk.cohort(COOP, channel=Channel.WEB), desk.cohort(COOP, channel=Channel.TILL)
    assert (web.customers, till.customers, desk.cohort(COOP).customers) == ((), (ann,), ())
    assert (web.channel, till.channel) == (Channel.WEB, Channel.TILL)
    with pytest.raises(UnknownChannelError):
        desk.cohort(COOP, channel="fax")  # type: ignore[arg-type]  # what a careless caller might pass


def test_leave_for_totals_cannot_be_made_used_for_customers_or_kept(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    totals = desk.totals()
    assert best_sellers(full_vault, totals, since_day=0)
    for forged in (None, object.__new__(ShopTotals), desk.cohort(COOP)):
        with pytest.raises(ForgedCohortError):
            best_sellers(full_vault, forged, since_day=0)  # type: ignore[arg-type]
    with pytest.raises(ForgedCohortError):
        loaded_by(full_vault, totals)  # type: ignore[arg-type]  # leave to add up shows nobody
    with pytest.raises(ForgedCohortError):
        copy.copy(totals)
    clocks.monotonic += COHORT_LIFETIME_SECONDS
    with pytest.raises(CohortExpiredError):
        best_sellers(full_vault, totals, since_day=0)
