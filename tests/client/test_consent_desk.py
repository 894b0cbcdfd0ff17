"""The consent desk: only its cohorts open customers' data, and a withdrawal beats them at any time."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - to show that a cohort refuses it
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.consent import Act, Channel, ConsentEvent, ConsentState, Method, Purpose
from highstreet.audit.errors import InconsistentConsentLogError, UnknownChannelError, UnknownPurposeError
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_intake import event_number
from highstreet.client.consented_cohort import COHORT_LIFETIME_SECONDS, ConsentedCohort, ShopTotals
from highstreet.client.errors import (
    ClockSetBackError,
    CohortExpiredError,
    ForgedCohortError,
    StoreConfigError,
)
from highstreet.client.importing.importer import Importer
from highstreet.client.shop_loader import day_number, load_shop
from highstreet.client.shop_totals import best_sellers
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from tests.client.conftest import NOW

COOP = Purpose.COOP_LEARNING
TODAY = date(2026, 11, 22)
SAID = How(method=Method.SPOKEN, source="till")
SECOND = 1_000_000


@dataclass
class Clocks:
    """Two clocks that tests turn by hand."""

    now: int = 1_795_348_800 * SECOND  # 2026-11-22 12:00 UTC
    monotonic: float = 1000.0

    def desk(self, vault: Vault) -> ConsentDesk:
        return ConsentDesk(vault, clock=lambda: self.now, monotonic=lambda: self.monotonic)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def desk(full_vault: Vault, clocks: Clocks) -> ConsentDesk:
    return clocks.desk(full_vault)


def _load(vault: Vault, cohort: ConsentedCohort, as_of: date = TODAY) -> ShopData:
    return load_shop(vault, cohort, FeatureSchema(), as_of)


def _names(vault: Vault, shop: ShopData) -> set[str]:
    with vault.read() as connection:
        known = dict(connection.execute("SELECT customer, customer_id FROM customers"))
    return {known[int(key)] for key in shop.customer_ids}


def test_only_customers_who_agreed_to_this_purpose_are_loaded(full_vault: Vault, desk: ConsentDesk) -> None:
    loaded = {purpose: _names(full_vault, _load(full_vault, desk.cohort(purpose))) for purpose in Purpose}
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
        assert _load(full_vault, both).customer_ids == ()  # either withdrawal is enough
        desk.record("ann", purpose, Act.GIVEN, SAID)
        assert len(_load(full_vault, both).customer_ids) == 1


def test_a_loaded_shop_holds_what_its_customers_bought_and_the_listed_catalogue(
    full_vault: Vault, desk: ConsentDesk
) -> None:
    shop = _load(full_vault, desk.cohort(Purpose.SHOP_MODEL))
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
    assert len(_load(full_vault, cohort, date(2026, 6, 9)).purchases) == 2
    assert len(_load(full_vault, cohort, date(2026, 6, 10)).purchases) == 3


def test_a_product_that_no_list_names_is_not_in_the_catalogue(full_vault: Vault, desk: ConsentDesk) -> None:
    with full_vault.write() as connection:
        connection.execute("UPDATE products SET listed = 0 WHERE product_id = 'rye'")
    shop = _load(full_vault, desk.cohort(COOP))
    assert shop.catalogue.product_ids == ("jam", "tea")
    assert len(shop.purchases) == 1


def test_customers_are_named_by_row_key_only(full_vault: Vault, desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    assert _load(full_vault, cohort).customer_ids == (str(full_vault.customer_key("ann")),)
    assert cohort.customers == (full_vault.customer_key("ann"),)
    assert "ann" not in repr(cohort)


def test_a_part_of_a_cohort_can_be_loaded_and_nobody_outside_it(full_vault: Vault, desk: ConsentDesk) -> None:
    keys = {name: full_vault.customer_key(name) for name in ("ann", "ben", "cat")}
    cohort = desk.cohort(Purpose.SHOP_MODEL)
    part = load_shop(full_vault, cohort, FeatureSchema(), TODAY, only=frozenset({keys["ben"], keys["cat"]}))
    assert _names(full_vault, part) == {"ben"}
    assert len(part.purchases) == 1


def test_a_withdrawal_beats_a_cohort_already_made(full_vault: Vault, desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    desk.record("ann", COOP, Act.WITHDRAWN, SAID)
    assert len(cohort) == 1
    assert _load(full_vault, cohort).customer_ids == ()


def test_who_agrees_later_is_not_slipped_into_an_older_cohort(full_vault: Vault, desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    desk.record("ben", COOP, Act.GIVEN, SAID)
    assert _names(full_vault, _load(full_vault, cohort)) == {"ann"}
    assert _names(full_vault, _load(full_vault, desk.cohort(COOP))) == {"ann", "ben"}


def test_a_cohort_cannot_be_made_by_hand(full_vault: Vault, desk: ConsentDesk) -> None:
    with pytest.raises(ForgedCohortError):
        ConsentedCohort()
    with pytest.raises(ForgedCohortError):
        type("Wider", (ConsentedCohort,), {})  # type: ignore[misc]  # it is final: that is the point
    with pytest.raises(ForgedCohortError):
        _load(full_vault, object.__new__(ConsentedCohort))
    for thing in (None, [1, 2], desk):
        with pytest.raises(ForgedCohortError):
            _load(full_vault, thing)  # type: ignore[arg-type]  # what a careless caller might pass


def test_a_cohort_cannot_be_copied_changed_or_stored(desk: ConsentDesk) -> None:
    cohort = desk.cohort(COOP)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ForgedCohortError):
            attempt(cohort)
    with pytest.raises(AttributeError):
        cohort.customers = (1, 2, 3)  # type: ignore[misc]  # read-only: that is the point


def test_a_cohort_opens_no_other_vault(full_vault: Vault, desk: ConsentDesk, tmp_path: Path) -> None:
    with Vault.open(tmp_path / "other" / "vault.db") as other, pytest.raises(ForgedCohortError):
        _load(other, desk.cohort(COOP))


def test_a_cohort_expires(full_vault: Vault, desk: ConsentDesk, clocks: Clocks) -> None:
    cohort = desk.cohort(COOP)
    clocks.monotonic += COHORT_LIFETIME_SECONDS - 1
    assert len(_load(full_vault, cohort).customer_ids) == 1
    clocks.monotonic += 1
    with pytest.raises(CohortExpiredError):
        _load(full_vault, cohort)


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
        lambda: _load(full_vault, cohort),
        lambda: best_sellers(full_vault, totals, since_day=0),
        lambda: desk.record("ann", COOP, Act.WITHDRAWN, SAID),
    ):
        with pytest.raises(InconsistentConsentLogError, match=said):
            attempt()


def test_a_clock_set_back_leaves_out_later_grants_and_a_withdrawal_still_counts(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    desk.record("ben", COOP, Act.GIVEN, SAID)
    cohort = desk.cohort(COOP)
    clocks.now -= 3600 * SECOND
    assert _names(full_vault, _load(full_vault, desk.cohort(COOP))) == {"ann"}
    assert _names(full_vault, _load(full_vault, cohort)) == {"ann"}
    with pytest.raises(ClockSetBackError):
        desk.record("ben", COOP, Act.GIVEN, SAID)
    desk.record("ben", COOP, Act.WITHDRAWN, SAID)
    clocks.now += 3600 * SECOND
    assert _names(full_vault, _load(full_vault, cohort)) == {"ann"}


DAY = 86_400 * SECOND


def test_an_answer_recorded_under_a_clock_set_ahead_touches_nobody_else(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    clocks.now += 400 * DAY
    desk.record("ben", COOP, Act.GIVEN, SAID)
    clocks.now -= 400 * DAY
    assert _names(full_vault, _load(full_vault, desk.cohort(COOP))) == {"ann"}
    assert desk.state(full_vault.customer_key("ben"), COOP) is ConsentState.REFUSED
    desk.record("cat", COOP, Act.GIVEN, SAID)
    assert _names(full_vault, _load(full_vault, desk.cohort(COOP))) == {"ann", "cat"}


def test_no_grant_is_dated_after_the_clock_because_of_an_earlier_answer(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    clocks.now += 2 * DAY
    desk.record("ben", COOP, Act.WITHDRAWN, SAID)
    clocks.now -= 2 * DAY
    with pytest.raises(ClockSetBackError):
        desk.record("ben", COOP, Act.GIVEN, SAID)


@pytest.mark.parametrize("by", ["command", "file"])
def test_a_withdrawal_ends_a_grant_dated_ahead_for_good(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks, tmp_path: Path, by: str
) -> None:
    clocks.now += 400 * DAY
    desk.record("ben", COOP, Act.GIVEN, SAID)
    clocks.now -= 400 * DAY
    if by == "command":
        desk.record("ben", COOP, Act.WITHDRAWN, SAID)
    else:
        (tmp_path / "c.csv").write_text(
            "customer_id,consent_coop_learning,consent_recorded_at\nben,no,2026-11-20T10:00:00Z\n"
        )
        list(Importer(full_vault, now=NOW).run([tmp_path / "c.csv"]))
    clocks.now += 500 * DAY
    assert _names(full_vault, _load(full_vault, desk.cohort(COOP))) == {"ann"}


def test_no_file_brings_a_grant_dated_after_the_clock(
    full_vault: Vault, desk: ConsentDesk, tmp_path: Path
) -> None:
    rows = "".join(f"c{n},yes,2026-11-01T10:00:00Z\n" for n in range(9))
    (tmp_path / "c.csv").write_text(
        f"customer_id,consent_coop_learning,consent_recorded_at\n{rows}ben,yes,2026-11-24T10:00:00Z\n"
    )
    list(Importer(full_vault, now=NOW).run([tmp_path / "c.csv"]))
    with full_vault.read() as connection:
        (latest,) = connection.execute('SELECT max("at") FROM consents').fetchone()
    assert latest <= NOW.timestamp() * SECOND
    assert desk.state(full_vault.customer_key("ben"), COOP) is ConsentState.REFUSED


def test_answers_within_one_instant_count_in_the_order_they_were_given(
    full_vault: Vault, desk: ConsentDesk
) -> None:
    ann = full_vault.customer_key("ann")
    for answer, state in (
        (Act.WITHDRAWN, ConsentState.WITHDRAWN),
        (Act.GIVEN, ConsentState.GRANTED),
        (Act.WITHDRAWN, ConsentState.WITHDRAWN),
    ):
        desk.record("ann", COOP, answer, SAID)
        assert desk.state(ann, COOP) is state


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
                    loaded = _names(vault, _load(vault, cohort))
                    assert loaded <= {name for name, agreed in agrees.items() if agreed}
                else:
                    attempts[what](who)
                    agrees[who] = what == "grant"
            except ClockSetBackError:
                continue


def _settings(vault: Vault, text: str) -> None:
    vault.path.with_name("store.toml").write_text(f"[consent]\n{text}\n")


def test_the_shops_longest_validity_ends_a_yes_by_the_clock_and_it_stays_ended(
    full_vault: Vault, clocks: Clocks
) -> None:
    ann = full_vault.customer_key("ann")
    _settings(full_vault, "valid_days = 700")  # Ann said yes on 2 January 2025, 689 days ago
    assert clocks.desk(full_vault).cohort(COOP).customers == (ann,)
    clocks.now += 12 * DAY
    desk = clocks.desk(full_vault)
    assert desk.cohort(COOP).customers == ()
    assert desk.state(ann, COOP) is ConsentState.EXPIRED
    assert desk.counts()[COOP].lapsed == 1
    # Noted, a clock set back does not bring it back; not noted, it would.
    clocks.now -= 12 * DAY
    assert desk.cohort(COOP).customers == (ann,)
    clocks.now += 12 * DAY
    assert desk.note_expired() == 4  # three of Ann's and one of Ben's
    assert desk.note_expired() == 0
    clocks.now -= 12 * DAY
    assert desk.cohort(COOP).customers == ()
    clocks.now += 13 * DAY
    desk.record("ann", COOP, Act.GIVEN, SAID)
    assert desk.cohort(COOP).customers == (ann,)


def test_answers_without_a_yes_that_counts_are_kept_as_long_as_the_shop_says(
    full_vault: Vault, clocks: Clocks, tmp_path: Path
) -> None:
    desk, root = clocks.desk(full_vault), clocks.desk(full_vault).root()
    assert desk.forget_old() == 0  # all is kept unless the shop says so
    _settings(full_vault, "valid_days = 690\nkeep_days = 700")
    ben = full_vault.customer_key("ben")
    desk = clocks.desk(full_vault)
    clocks.now += 10 * DAY
    assert desk.forget_old() == 0
    desk.record("ann", COOP, Act.WITHDRAWN, SAID)
    clocks.now += 10 * DAY
    assert desk.forget_old() == 1  # Ben; Ann said something ten days ago
    assert desk.history(ben) == ()
    assert len(desk.history(full_vault.customer_key("ann"))) == 4
    assert desk.position() == root.position + 1
    # The old file again: what it says has run out.
    (tmp_path / "c.csv").write_text(
        "customer_id,consent_coop_learning,consent_recorded_at\nben,yes,2025-01-01T00:00:00Z\n"
    )
    list(Importer(full_vault, now=NOW).run([tmp_path / "c.csv"]))
    assert desk.cohort(COOP).customers == ()


@pytest.mark.parametrize("channel", [Channel.EVERYWHERE, Channel.TILL])
def test_an_objection_that_stands_is_never_forgotten_while_its_customer_is_here(
    full_vault: Vault, clocks: Clocks, channel: Channel
) -> None:
    _settings(full_vault, "valid_days = 20\nkeep_days = 20")
    desk = clocks.desk(full_vault)
    ann, ben = full_vault.customer_key("ann"), full_vault.customer_key("ben")
    for purpose in (Purpose.SUGGESTIONS_HERE, Purpose.SHOP_MODEL):
        desk.record("ann", purpose, Act.OBJECTED, SAID, channel=channel)
    desk.record("ben", Purpose.SHOP_MODEL, Act.OBJECTED, SAID)
    clocks.now += DAY
    desk.record("ben", Purpose.SHOP_MODEL, Act.WITHDRAWN, SAID)  # his last word objects no more
    before = best_sellers(full_vault, desk.totals(), since_day=0)
    clocks.now += 30 * DAY
    assert desk.forget_old() == 1
    assert desk.history(ben) == ()
    assert desk.state(ann, Purpose.SHOP_MODEL, channel) is ConsentState.OBJECTED
    assert best_sellers(full_vault, desk.totals(), since_day=0) == before


@pytest.mark.parametrize("text", ["keep_days = 10", "valid_days = 20\nkeep_days = 10", "valid_days = -1"])
def test_settings_that_would_let_an_old_yes_come_back_open_nothing(full_vault: Vault, text: str) -> None:
    _settings(full_vault, text)
    with pytest.raises(StoreConfigError):
        ConsentDesk(full_vault).cohort(COOP)
    # But a no is taken whatever the settings say.
    ConsentDesk(full_vault).record("ann", COOP, Act.WITHDRAWN, SAID)


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
        _load(full_vault, totals)  # type: ignore[arg-type]  # leave to add up shows nobody
    with pytest.raises(ForgedCohortError):
        copy.copy(totals)
    clocks.monotonic += COHORT_LIFETIME_SECONDS
    with pytest.raises(CohortExpiredError):
        best_sellers(full_vault, totals, since_day=0)


def test_signals_are_taken_with_their_own_dates_once(
    full_vault: Vault, desk: ConsentDesk, clocks: Clocks
) -> None:
    ben, cat = full_vault.customer_key("ben"), full_vault.customer_key("cat")

    def signal(customer: int, act: Act, at: int) -> ConsentEvent:
        return ConsentEvent(
            event_id=event_number(),
            customer=customer,
            purpose=COOP,
            channel=Channel.EVERYWHERE,
            act=act,
            at=at,
            method=Method.SIGNAL,
            source="test",
        )

    signals = [
        signal(cat, Act.GIVEN, clocks.now - DAY),
        signal(cat, Act.GIVEN, clocks.now - DAY),
        signal(ben, Act.GIVEN, clocks.now + DAY),  # from the future: not taken
    ]
    assert desk.take(signals) == 1
    assert desk.take(signals) == 0
    assert cat in desk.cohort(COOP).customers
    clocks.now += 2 * DAY
    assert ben not in desk.cohort(COOP).customers
    assert desk.take([signal(cat, Act.OBJECTED, 0)]) == 1  # out of order: an old no ends no later yes
    assert cat in desk.cohort(COOP).customers
    assert desk.take([signal(cat, Act.OBJECTED, clocks.now)]) == 1
    assert desk.state(cat, COOP) is ConsentState.OBJECTED


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_two_yeses_of_one_moment_the_one_that_ends_first_is_never_dropped(
    full_vault: Vault, clocks: Clocks, order: tuple[int, ...]
) -> None:
    desk, cat = clocks.desk(full_vault), full_vault.customer_key("cat")
    at, day = clocks.now - SECOND, 86_400 * SECOND
    ends = (None, clocks.now + 2 * day, clocks.now + day)

    def yes(valid_until: int | None) -> ConsentEvent:
        return ConsentEvent(
            event_id=event_number(),
            customer=cat,
            purpose=COOP,
            channel=Channel.EVERYWHERE,
            act=Act.GIVEN,
            at=at,
            valid_until=valid_until,
            method=Method.IMPORT,
            source="file",
        )

    for place in order:
        desk.take([yes(ends[place])])
    assert desk.take([yes(each) for each in ends]) == 0  # each is known, or says less than what is
    assert desk.state(cat, COOP) is ConsentState.GRANTED
    clocks.now += day
    assert desk.state(cat, COOP) is ConsentState.EXPIRED
    assert desk.take([yes(clocks.now + day)]) == 0
    assert desk.state(cat, COOP) is ConsentState.EXPIRED


def test_a_no_of_the_same_moment_is_no_repetition_of_a_yes_and_an_objection_none_of_a_refusal(
    full_vault: Vault, clocks: Clocks
) -> None:
    desk, cat = clocks.desk(full_vault), full_vault.customer_key("cat")

    def said(act: Act) -> ConsentEvent:
        return ConsentEvent(
            event_id=event_number(),
            customer=cat,
            purpose=COOP,
            channel=Channel.EVERYWHERE,
            act=act,
            at=clocks.now,
            method=Method.IMPORT,
            source="file",
        )

    for act, is_new in (
        (Act.GIVEN, True),
        (Act.REFUSED, True),
        (Act.WITHDRAWN, False),
        (Act.OBJECTED, True),
        (Act.REFUSED, False),
        (Act.GIVEN, False),
    ):
        assert desk.take([said(act)]) == int(is_new), act
    assert desk.state(cat, COOP) is ConsentState.OBJECTED
