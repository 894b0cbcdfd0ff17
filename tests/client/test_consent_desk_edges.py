"""The consent desk's edges: between a word that was given and its use, and at the very limits of a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from highstreet.audit.consent import LAST_MOMENT, Act, Channel, ConsentEvent, ConsentState, Method, Purpose
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_anchor import ConsentAnchor
from highstreet.client.consent_counts import count_states
from highstreet.client.consent_ends import end_for_everybody
from highstreet.client.consent_in_use import ConsentInUse
from highstreet.client.consent_intake import check_showable, event_number
from highstreet.client.consented_cohort import (
    ConsentedCohort,
    Exclusion,
    ShopTotals,
    basis_now,
    left_out_of_totals,
)
from highstreet.client.errors import AnswerRefusedError, ForgedCohortError, UnknownNoticeError
from highstreet.client.notices import add_notice
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema

COOP = Purpose.COOP_LEARNING
SAID = How(method=Method.SPOKEN, source="till")
TODAY = date(2026, 11, 22)
SECOND = 1_000_000
NOON = 1_795_348_800 * SECOND


@pytest.fixture
def at(full_vault: Vault) -> Callable[[int], ConsentDesk]:
    """A desk whose clock says noon and so many microseconds."""
    return lambda offset: ConsentDesk(full_vault, clock=lambda: NOON + offset)


def _event(customer: int, act: Act, moment: int, channel: Channel = Channel.EVERYWHERE) -> ConsentEvent:
    return ConsentEvent(
        event_id=event_number(),
        customer=customer,
        purpose=COOP,
        channel=channel,
        act=act,
        at=moment,
        method=Method.IMPORT,
        source="file",
    )


@pytest.mark.parametrize("reason", list(Exclusion))
def test_who_is_excluded_after_a_cohort_was_made_is_not_loaded_by_it(
    full_vault: Vault, reason: Exclusion
) -> None:
    desk = ConsentDesk(full_vault)
    cohort = desk.cohort(COOP)
    assert len(cohort) == 1
    desk.exclude("ann", reason)
    desk.exclude("ann", reason)
    assert desk.exclusions(full_vault.customer_key("ann")) == {reason}
    assert load_shop(full_vault, cohort, FeatureSchema(), TODAY, purpose=COOP).customer_ids == ()
    desk.include("ann", reason)
    assert desk.exclusions(full_vault.customer_key("ann")) == frozenset()
    assert len(load_shop(full_vault, cohort, FeatureSchema(), TODAY, purpose=COOP).customer_ids) == 1


def test_a_yes_on_a_channel_is_none_everywhere(full_vault: Vault) -> None:
    desk, cat = ConsentDesk(full_vault), full_vault.customer_key("cat")
    desk.record("cat", COOP, Act.GIVEN, SAID, channel=Channel.WEB)
    assert cat not in desk.cohort(COOP).customers
    assert cat in desk.cohort(COOP, channel=Channel.WEB).customers
    assert desk.state(cat, COOP) is ConsentState.NOT_ASKED
    assert desk.state(cat, COOP, Channel.WEB) is ConsentState.GRANTED
    assert cat in desk.withdrawn(COOP, since=desk.position())
    assert desk.counts()[COOP].granted == 1  # Ann
    assert desk.record("cat", COOP, Act.GIVEN, SAID).channel is Channel.EVERYWHERE
    assert cat not in desk.withdrawn(COOP, since=desk.position())


@pytest.mark.parametrize("purpose", [COOP, Purpose.SENSITIVE_CATEGORIES, Purpose.MATCHING])
@pytest.mark.parametrize("ends", ["ran out", "said no and yes again", "stands"])
def test_what_was_computed_is_not_handed_over_if_any_of_its_words_stands_no_more(
    full_vault: Vault, purpose: Purpose, ends: str
) -> None:
    desk, ann = ConsentDesk(full_vault), full_vault.customer_key("ann")
    for each in (Purpose.SENSITIVE_CATEGORIES, Purpose.MATCHING):
        desk.record("ann", each, Act.GIVEN, SAID)
    if ends == "ran out":  # and nothing in the log says so
        over = How(method=Method.SPOKEN, source="till", valid_until=1)
        desk.record("ann", purpose, Act.GIVEN, over)
    cohort = desk.cohort(COOP)
    with full_vault.read() as connection:
        basis = basis_now(cohort, full_vault, connection, COOP)
    both = (Purpose.SENSITIVE_CATEGORIES, Purpose.MATCHING)
    sensitive, counted = (frozenset({ann} if each is purpose else ()) for each in both)
    used = ConsentInUse(
        position=cohort.position,
        customers=frozenset({ann}),
        sensitive=sensitive,
        counted=counted,
        basis=basis,
    )
    assert used.purposes(ann) == {COOP, purpose}
    if ends == "said no and yes again":
        desk.record("ann", purpose, Act.WITHDRAWN, SAID)
        desk.record("ann", purpose, Act.GIVEN, SAID)
    assert used.ended(full_vault) == (frozenset() if ends == "stands" else {ann})


def test_the_clock_may_be_behind_an_answer_by_ten_seconds_and_no_more(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat = full_vault.customer_key("cat")
    ahead = 10 * SECOND
    assert at(0).take([_event(cat, Act.GIVEN, NOON + ahead + 1)]) == 0
    assert at(0).take([_event(cat, Act.GIVEN, NOON + ahead)]) == 1
    assert at(-1).state(cat, COOP) is ConsentState.NOT_ASKED
    assert at(0).state(cat, COOP) is ConsentState.GRANTED
    again = at(0).record("cat", COOP, Act.GIVEN, SAID)
    assert again.at == NOON + ahead + 1  # after what it repeats, so that it counts
    assert at(0).record("cat", COOP, Act.WITHDRAWN, SAID).at == NOON + ahead + 1
    assert at(0).record("cat", COOP, Act.ASKED, SAID).at == NOON


def test_an_end_for_everybody_dates_the_yes_that_follows_it(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat = full_vault.customer_key("cat")
    at(5 * SECOND).ask_everybody_again(COOP, source="notice")
    said = at(0).record("cat", COOP, Act.GIVEN, SAID)
    assert said.at == NOON + 5 * SECOND + 1
    assert at(0).state(cat, COOP) is ConsentState.GRANTED
    assert at(0).record("ben", COOP, Act.REFUSED, SAID).at == NOON  # a no ends nothing that was not said
    # Of an answer and an end the later one dates it, whichever that is.
    at(7 * SECOND).record("ben", COOP, Act.REFUSED, SAID)
    assert at(0).record("ben", COOP, Act.GIVEN, SAID).at == NOON + 7 * SECOND + 1
    at(9 * SECOND).ask_everybody_again(COOP, source="notice")
    assert at(0).record("ben", COOP, Act.GIVEN, SAID).at == NOON + 9 * SECOND + 1
    assert at(0).state(full_vault.customer_key("ben"), COOP) is ConsentState.GRANTED


@pytest.mark.parametrize("act", [Act.WITHDRAWN, Act.EXPIRED])
def test_an_end_out_of_a_file_ends_a_yes_that_is_dated_ahead_of_the_clock(
    full_vault: Vault, at: Callable[[int], ConsentDesk], act: Act
) -> None:
    cat = full_vault.customer_key("cat")
    at(5 * SECOND).record("cat", COOP, Act.GIVEN, SAID)
    assert at(0).take([_event(cat, act, NOON)]) == 1
    newest = at(0).history(cat)[-1].event
    assert newest is not None
    assert newest.at == NOON + 5 * SECOND
    assert at(6 * SECOND).state(cat, COOP) in {ConsentState.WITHDRAWN, ConsentState.EXPIRED}


def test_a_yes_out_of_a_file_keeps_its_date_though_another_is_dated_ahead_of_the_clock(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat = full_vault.customer_key("cat")
    said = [_event(cat, Act.GIVEN, NOON + 5 * SECOND), _event(cat, Act.GIVEN, NOON - SECOND, Channel.WEB)]
    assert at(0).take(said) == 2
    assert [each.event.at for each in at(0).history(cat) if each.event] == [NOON + 5 * SECOND, NOON - SECOND]


def test_a_no_from_the_future_is_taken_and_a_yes_is_not(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat, tomorrow = full_vault.customer_key("cat"), NOON + 86_400 * SECOND
    for act in (Act.ASKED, Act.WITHDRAWN, Act.EXPIRED):
        assert at(0).take([_event(cat, act, tomorrow)]) == 1
    assert at(0).take([_event(cat, Act.GIVEN, tomorrow)]) == 0
    assert at(0).state(cat, COOP) is ConsentState.WITHDRAWN


def test_a_yes_of_the_moment_of_another_answer_is_news(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat, desk = full_vault.customer_key("cat"), at(0)
    assert desk.take([_event(cat, Act.ASKED, NOON)]) == 1
    assert desk.take([_event(cat, Act.GIVEN, NOON)]) == 1
    assert desk.take([_event(cat, Act.GIVEN, NOON)]) == 0
    assert desk.state(cat, COOP) is ConsentState.GRANTED


def test_an_end_for_everybody_is_written_down_as_one_for_every_channel() -> None:
    assert end_for_everybody(COOP, at=NOON, source="notice").channel is Channel.EVERYWHERE


def test_a_word_of_another_shops_desk_is_none_here(full_vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Vault.open(tmp_path / "other" / "vault.db") as other:
        theirs = ConsentDesk(other).cohort(COOP)
    with pytest.raises(ForgedCohortError):
        load_shop(full_vault, theirs, FeatureSchema(), TODAY, purpose=COOP)


def test_whatever_the_desk_wrote_is_anchored_outside_the_vault_when_it_returns(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    full_vault.path.with_name("store.toml").write_text("[consent]\nvalid_days = 690\nkeep_days = 700\n")
    desk, cat = at(0), full_vault.customer_key("cat")
    later, last = at(690 * 86_400 * SECOND), at(1391 * 86_400 * SECOND)
    anchor = ConsentAnchor.of_vault(full_vault.path, full_vault.vault_id)
    seen = [anchor.read()]
    for write in (
        lambda: desk.record("cat", COOP, Act.GIVEN, SAID),
        lambda: desk.take([_event(cat, Act.GIVEN, NOON, Channel.WEB)]),
        lambda: desk.exclude("cat", Exclusion.MINOR),
        lambda: desk.include("cat", Exclusion.MINOR),
        lambda: later.note_expired(),
        lambda: later.ask_everybody_again(COOP, source="notice"),
        lambda: last.forget_old(),
        lambda: last.record("cat", COOP, Act.REFUSED, SAID),
        lambda: last.erase("cat"),
    ):
        write()
        seen.append(anchor.read())  # before anything else reads the log, which would catch up
        assert seen[-1] == desk.root()
        assert seen[-1] != seen[-2]


def test_alike_on_another_channel_is_not_alike(full_vault: Vault, at: Callable[[int], ConsentDesk]) -> None:
    cat = full_vault.customer_key("cat")
    assert at(0).take([_event(cat, Act.WITHDRAWN, NOON)]) == 1
    assert at(0).take([_event(cat, Act.REFUSED, NOON)]) == 0
    assert at(0).take([_event(cat, Act.WITHDRAWN, NOON, Channel.WEB)]) == 1
    assert at(0).take([_event(cat, Act.ASKED, NOON), _event(cat, Act.ASKED, NOON)]) == 1


def test_what_ran_out_is_written_once(full_vault: Vault, at: Callable[[int], ConsentDesk]) -> None:
    cat = full_vault.customer_key("cat")
    over = How(method=Method.SPOKEN, source="till", valid_until=NOON + SECOND)
    at(0).record("cat", COOP, Act.GIVEN, over)
    before = at(0).position()
    assert at(0).note_expired() == 0
    assert at(SECOND).note_expired() == 1
    assert at(SECOND).note_expired() == 0
    assert at(SECOND).position() == before + 1
    newest = at(SECOND).history(cat)[-1].event
    assert newest is not None
    assert (newest.act, newest.at, newest.method) == (Act.EXPIRED, NOON + SECOND, Method.RULE)
    assert at(0).state(cat, COOP) is ConsentState.EXPIRED  # a clock set back revives nothing


def test_said_no_and_withdrawn_look_behind_an_entry_and_at_their_own_purpose(full_vault: Vault) -> None:
    desk = ConsentDesk(full_vault)
    ann, cat = full_vault.customer_key("ann"), full_vault.customer_key("cat")
    begun = desk.position()
    assert desk.said_no(COOP, since=begun) == frozenset()
    assert ann not in desk.withdrawn(COOP, since=begun)
    for act in (Act.WITHDRAWN, Act.EXPIRED):
        desk.record("ann", COOP, act, SAID)
        desk.record("ann", COOP, Act.GIVEN, SAID)
    assert desk.said_no(COOP, since=begun) == {ann}
    assert ann in desk.withdrawn(COOP, since=begun)
    assert ann not in desk.withdrawn(COOP, since=desk.position())
    assert desk.said_no(COOP, since=desk.position()) == frozenset()
    assert desk.said_no(Purpose.MATCHING, since=begun) == frozenset()
    for act in (Act.WITHDRAWN, Act.REFUSED, Act.OBJECTED, Act.EXPIRED, Act.RECONSENT_NEEDED):
        before = desk.position()
        desk.record("ann", COOP, act, SAID)
        assert desk.said_no(COOP, since=before) == {ann}
    desk.record("cat", COOP, Act.GIVEN, SAID)
    now = desk.position()
    desk.ask_everybody_again(COOP, source="notice")
    assert desk.said_no(COOP, since=now) >= {ann, cat}
    assert desk.withdrawn(COOP, since=now) >= {ann, cat}


def test_a_totals_word_leaves_out_who_objected_to_what_totals_serve_or_is_excluded_and_nobody_else(
    full_vault: Vault,
) -> None:
    desk = ConsentDesk(full_vault)
    ann, ben, cat = (full_vault.customer_key(name) for name in ("ann", "ben", "cat"))
    desk.record("ann", Purpose.SUGGESTIONS_HERE, Act.OBJECTED, SAID, channel=Channel.TILL)
    desk.record("ben", COOP, Act.OBJECTED, SAID)
    desk.record("cat", Purpose.SHOP_MODEL, Act.WITHDRAWN, SAID)
    totals = desk.totals()
    with full_vault.read() as connection:
        assert left_out_of_totals(totals, full_vault, connection) == (ann,)
    desk.exclude("ben", Exclusion.MINOR)
    desk.exclude("cat", Exclusion.RESTRICTED)
    with full_vault.read() as connection:
        assert left_out_of_totals(totals, full_vault, connection) == (ann, ben, cat)  # by a word given before
    assert ben not in desk.cohort(Purpose.SHOP_MODEL).customers
    desk.include("ben", Exclusion.MINOR)
    with full_vault.read() as connection:
        assert left_out_of_totals(totals, full_vault, connection) == (ann, cat)


def test_what_was_announced_to_be_emptied_is_settled_when_it_is(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    full_vault.path.with_name("store.toml").write_text("[consent]\nvalid_days = 690\nkeep_days = 700\n")
    head = full_vault.path.with_name("consent.head")
    before = head.read_bytes()
    assert at(0).forget_old() == 0
    assert head.read_bytes() == before  # where nobody is due nothing is announced
    later = at(20 * 86_400 * SECOND)
    assert later.forget_old() >= 1
    kept = ConsentAnchor.of_vault(full_vault.path, full_vault.vault_id).read()
    assert kept == later.root()
    assert kept.to_be_emptied is None


def test_where_the_shop_keeps_all_no_answer_is_old(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    at(0).record("cat", COOP, Act.REFUSED, SAID)
    assert at(10**6 * SECOND).forget_old() == 0
    assert len(at(0).history(full_vault.customer_key("cat"))) == 1


def test_an_answer_is_old_once_it_is_kept_longer_than_the_shop_says_and_no_moment_before(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat, kept = full_vault.customer_key("cat"), 700 * 86_400 * SECOND
    begun = at(0).position()
    at(0).record("cat", COOP, Act.REFUSED, SAID)
    full_vault.path.with_name("store.toml").write_text("[consent]\nvalid_days = 690\nkeep_days = 700\n")
    at(kept).forget_old()
    assert len(at(kept).history(cat)) == 1
    assert at(kept + 1).forget_old() == 1
    assert at(kept + 1).history(cat) == ()
    assert at(kept + 1).said_no(COOP, since=begun) == frozenset()  # what was emptied tells nothing more


def test_once_answers_were_forgotten_a_yes_is_taken_from_that_moment_on_and_none_before(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat, kept = full_vault.customer_key("cat"), 700 * 86_400 * SECOND
    at(0).record("cat", COOP, Act.REFUSED, SAID)
    full_vault.path.with_name("store.toml").write_text("[consent]\nvalid_days = 690\nkeep_days = 700\n")
    desk, forgotten = at(kept + 1), NOON + 1
    assert desk.forget_old() >= 1
    assert desk.take([_event(cat, Act.GIVEN, forgotten - 1)]) == 0
    assert desk.take([_event(cat, Act.REFUSED, forgotten - 1)]) == 1  # a no always is
    assert desk.take([_event(cat, Act.GIVEN, forgotten)]) == 1
    assert desk.take([_event(cat, Act.GIVEN, forgotten + kept)]) == 1


def test_where_nobody_was_due_nothing_is_forgotten_and_an_older_yes_is_taken(
    full_vault: Vault, at: Callable[[int], ConsentDesk]
) -> None:
    cat, kept = full_vault.customer_key("cat"), 700 * 86_400 * SECOND
    full_vault.path.with_name("store.toml").write_text("[consent]\nvalid_days = 690\nkeep_days = 700\n")
    assert at(0).forget_old() == 0
    assert at(0).take([_event(cat, Act.GIVEN, NOON - kept - 1)]) == 1


def test_an_end_that_a_receipt_can_show_is_neither_before_1970_nor_after_9999() -> None:
    said = _event(1, Act.GIVEN, NOON)
    for until in (0, LAST_MOMENT):
        check_showable(replace(said, valid_until=until))
    for until in (-1, LAST_MOMENT + 1):
        with pytest.raises(AnswerRefusedError, match="9999"):
            check_showable(replace(said, valid_until=until))


def test_every_customer_is_counted_once_by_where_they_stand() -> None:
    states = [each for number, each in enumerate(ConsentState, start=1) for _ in range(number)]
    counted = count_states(states, total=100)
    said = Counter(states)
    assert counted.granted == said[ConsentState.GRANTED]
    assert counted.withdrawn == sum(
        said[each] for each in (ConsentState.REFUSED, ConsentState.WITHDRAWN, ConsentState.OBJECTED)
    )
    assert counted.lapsed == said[ConsentState.EXPIRED] + said[ConsentState.RECONSENT_NEEDED]
    # Who was asked and has not answered, and those of whom the log says nothing.
    unsaid = said[ConsentState.ASKED] + said[ConsentState.NOT_ASKED] + 100 - len(states)
    assert counted.not_asked == unsaid


@pytest.mark.parametrize("kind", [ConsentedCohort, ShopTotals])
def test_no_class_can_pass_for_a_word_of_the_desk(kind: type) -> None:
    with pytest.raises(ForgedCohortError):
        type("Mine", (kind,), {})


def test_an_answer_names_the_notice_that_was_shown_by_the_hash_of_its_text_and_no_unknown_one(
    full_vault: Vault,
) -> None:
    desk = ConsentDesk(full_vault)
    notice = add_notice(full_vault, version="2", language="en", text="We learn together.", now=NOON)
    shown = How(method=Method.SPOKEN, source="till", notice=("2", "en"), evidence_sha256=b"e" * 32)
    said = desk.record("cat", COOP, Act.GIVEN, shown)
    assert said.notice == notice
    assert said.evidence_sha256 == b"e" * 32
    position = desk.position()
    with pytest.raises(UnknownNoticeError):
        desk.record("cat", COOP, Act.GIVEN, replace(shown, notice=("3", "en")))
    assert desk.position() == position
