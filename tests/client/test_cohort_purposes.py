"""Whoever uses a cohort says what for: one that was made for something else opens nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consent_in_use import ConsentInUse
from highstreet.client.consented_cohort import (
    ConsentedCohort,
    basis_now,
    granted_by,
    sensitive_granted,
    still_granted,
)
from highstreet.client.counted_customers import CountedCustomers
from highstreet.client.customer_attributes import groups_of
from highstreet.client.errors import WrongPurposeError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.matching_books import matching_books
from highstreet.client.matching_inputs import MATCHING_PURPOSES, matching_inputs, present_inputs
from highstreet.client.person_counts import PersonCounts
from highstreet.client.personal_model import refresh_model
from highstreet.client.shop_evaluation import evaluate_shop
from highstreet.client.shop_loader import load_consented, load_shop
from highstreet.client.suggestions import suggest
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.matching import IdentifierKind
from tests.client.played_till import asked_for, plainly, till_of

COOP, OWN, HERE = Purpose.COOP_LEARNING, Purpose.SHOP_MODEL, Purpose.SUGGESTIONS_HERE
TODAY = date(2026, 11, 22)
NOBODY = np.array([], dtype=np.int64)
EMAIL = IdentifierKind.EMAIL
SAID = How(method=Method.SPOKEN, source="test")

Reader = Callable[[Vault, ConsentedCohort], object]


def _asking(ask: Callable[[ConsentedCohort, Vault, sqlite3.Connection], object]) -> Reader:
    """What is asked in an open transaction."""

    def read(vault: Vault, cohort: ConsentedCohort) -> object:
        with vault.read() as connection:
            return ask(cohort, vault, connection)

    return read


#: What opens customers' data, and what it says the data is for.
READERS: dict[str, tuple[Reader, Collection[Purpose]]] = {
    "who agrees": (_asking(lambda c, v, t: still_granted(c, v, t, COOP)), [COOP]),
    "who agrees to both": (_asking(lambda c, v, t: still_granted(c, v, t, COOP, OWN)), [COOP, OWN]),
    "who agrees, and the log": (_asking(lambda c, v, t: granted_by(c, v, t, COOP)), [COOP]),
    "of whom what is sensitive": (_asking(lambda c, v, t: sensitive_granted(c, v, t, COOP)), [COOP]),
    "the log": (_asking(lambda c, v, t: basis_now(c, v, t, COOP)), [COOP]),
    "attributes": (
        _asking(lambda c, v, t: groups_of(c, v, t, NOBODY, purpose=COOP, attributes=["age_band"])),
        [COOP],
    ),
    "purchases": (lambda v, c: load_shop(v, c, FeatureSchema(), TODAY, purpose=COOP), [COOP]),
    "purchases, and the consent": (
        lambda v, c: load_consented(v, c, FeatureSchema(), TODAY, purpose=COOP),
        [COOP],
    ),
    "identifiers": (lambda v, c: matching_inputs(v, c, EMAIL), MATCHING_PURPOSES),
    "identifiers of every kind": (present_inputs, MATCHING_PURPOSES),
    "what a round was computed under": (
        lambda v, c: ConsentInUse.of(v, c, (), sensitive=frozenset(), weights=None),
        [COOP],
    ),
    "what customers weigh": (
        lambda v, c: CountedCustomers(cohort=c, weights={}).of_agreeing(v),
        MATCHING_PURPOSES,
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_cohort_for_something_else_opens_nothing_and_nothing_is_read(full_vault: Vault, name: str) -> None:
    read, said = READERS[name]
    desk, ran = ConsentDesk(full_vault), list[str]()

    def used(cohort: ConsentedCohort) -> None:
        ran.clear()
        full_vault.connection.set_trace_callback(ran.append)
        try:
            read(full_vault, cohort)
        finally:
            full_vault.connection.set_trace_callback(None)

    others = [purpose for purpose in Purpose if purpose not in said]
    less = [[purpose for purpose in Purpose if purpose is not lacking] for lacking in said]
    for wrong in ([Purpose.EMAIL_MARKETING], others, *less):
        with pytest.raises(WrongPurposeError) as caught:
            used(desk.cohort(*wrong))
        assert caught.value.next_step
        assert not any("SELECT" in statement for statement in ran)
    with pytest.raises(WrongPurposeError):  # who agreed on the web alone is not to be used everywhere
        used(desk.cohort(*said, channel=Channel.WEB))
    assert not any("SELECT" in statement for statement in ran)
    for right in (said, tuple(Purpose)):
        used(desk.cohort(*right))
        assert any("SELECT" in statement for statement in ran)  # as a cohort that is refused would show


def _round(home: StoreHome, _: Path) -> object:
    with closing(Ledger.open(home.ledger)) as ledger:
        return till_of(home, ledger).take(asked_for(), plainly)


def _weighing(home: StoreHome, _: Path) -> object:
    with Vault.open(home.vault) as vault:
        counts = PersonCounts(home.person_counts, vault_id=vault.vault_id)
        return CountedCustomers.read(vault, counts, b"t" * 32, most_shops=3).of_agreeing(vault)


def _matching(home: StoreHome, _: Path) -> object:
    with closing(Ledger.open(home.ledger)) as ledger, matching_books(home, ledger) as books:
        return books.inputs(EMAIL)


#: What a store does with customers' data, and the purposes that it needs.
CALLERS: dict[str, tuple[Callable[[StoreHome, Path], object], Collection[Purpose]]] = {
    "a round": (_round, [COOP]),
    "what customers weigh in it": (_weighing, MATCHING_PURPOSES),
    "a matching": (_matching, MATCHING_PURPOSES),
    "the shop's own model": (lambda home, _: refresh_model(home), [OWN]),
    "suggestions": (lambda home, _: suggest(home, "c0", k=3), [HERE, OWN]),
    "an evaluation": (lambda home, later: evaluate_shop(home, later), [OWN]),
}


@pytest.fixture
def all_agree(shop_home: StoreHome) -> StoreHome:
    with Vault.open(shop_home.vault) as vault:
        for purpose in Purpose:
            ConsentDesk(vault).record("c0", purpose, Act.GIVEN, SAID)
    return shop_home


@pytest.mark.parametrize("lacking", [None, *Purpose])
@pytest.mark.parametrize("name", CALLERS)
def test_what_a_store_does_says_its_own_purpose(
    all_agree: StoreHome,
    shop_holdout: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    lacking: Purpose | None,
) -> None:
    """Whatever is asked of the desk, it gives a cohort of everything but one purpose."""
    act, needed = CALLERS[name]
    cohort = ConsentDesk.cohort

    def handed(desk: ConsentDesk, *_: Any, **__: Any) -> ConsentedCohort:
        return cohort(desk, *(purpose for purpose in Purpose if purpose is not lacking))

    monkeypatch.setattr(ConsentDesk, "cohort", handed)
    if lacking in needed:
        with pytest.raises(WrongPurposeError):
            act(all_agree, shop_holdout)
    else:
        act(all_agree, shop_holdout)


def test_a_cohort_of_one_channel_serves_that_channel_alone(all_agree: StoreHome) -> None:
    with Vault.open(all_agree.vault) as vault:
        desk = ConsentDesk(vault)
        desk.record("c0", HERE, Act.WITHDRAWN, SAID)
        desk.record("c0", HERE, Act.GIVEN, SAID, channel=Channel.WEB)
        web, everywhere = desk.cohort(HERE, channel=Channel.WEB), desk.cohort(HERE)

        def loaded(cohort: ConsentedCohort, channel: Channel) -> tuple[str, ...]:
            shop = load_shop(vault, cohort, FeatureSchema(), TODAY, purpose=HERE, channel=channel)
            return shop.customer_ids

        key = str(vault.customer_key("c0"))
        assert key in loaded(web, Channel.WEB)
        assert key not in loaded(everywhere, Channel.EVERYWHERE)
        for cohort, channel in (
            (web, Channel.EVERYWHERE),
            (web, Channel.EMAIL),
            (everywhere, Channel.WEB),  # who agreed everywhere is asked for anew for the web
        ):
            with pytest.raises(WrongPurposeError):
                loaded(cohort, channel)
