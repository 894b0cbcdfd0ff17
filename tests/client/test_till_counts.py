"""A customer weighs one over the shops that the named matching counted, and nothing without a count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.requests import mechanism_of
from highstreet.client import leaving_out
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.contribution import sum_over
from highstreet.client.errors import PersonCountsError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.person_counts import PersonCounts
from highstreet.client.round_terms import AskedRound
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.programme import default_plan, initial_state
from highstreet.privacy.matching import Counts, IdentifierKind, identifier_input
from highstreet.privacy.releases import customer_release
from tests.client.made_up_coop import SCHEMA, by_counts, charter_of
from tests.client.played_till import (
    PLAN,
    TODAY,
    Computed,
    asked_for,
    asked_naming,
    plainly,
    shop_with,
    till_of,
)


@pytest.fixture
def home(tmp_path: Path, full_vault: Vault) -> StoreHome:
    return StoreHome(tmp_path / "store")


@pytest.fixture
def ledger(home: StoreHome) -> Iterator[Ledger]:
    with closing(Ledger.open(home.ledger)) as opened:
        yield opened


@pytest.fixture
def computed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Computed:
    watcher = Computed(ledger)
    monkeypatch.setattr(leaving_out, "contribute", watcher)
    return watcher


K = 3
TABLE, ANOTHER = b"t" * 32, b"o" * 32
COUNTED_TERMS = by_counts(charter_of(PLAN), shops=K).privacy


@pytest.fixture
def counted(home: StoreHome, full_vault: Vault) -> PersonCounts:
    """Ann, who agreed to be matched too, shops in two shops; so does Ben, who never agreed to learning."""
    ConsentDesk(full_vault).record(
        "ann", Purpose.MATCHING, Act.GIVEN, How(method=Method.SPOKEN, source="test")
    )
    _named(full_vault, ann="ann@example.org", ben="ben@example.org")
    keys = {name: str(full_vault.customer_key(name)) for name in ("ann", "ben")}
    counts = PersonCounts(home.person_counts, vault_id=full_vault.vault_id)
    home.coop.mkdir()
    _read(counts, full_vault, {keys["ann"]: 2, keys["ben"]: 2})
    return counts


def _named(vault: Vault, **emails: str) -> None:
    """Give customers other e-mail addresses, or take them away, as an import does."""
    with vault.write() as connection:
        for name, email in emails.items():
            key = connection.execute(
                "SELECT customer FROM customers WHERE customer_id = ?", (name,)
            ).fetchone()
            connection.execute("DELETE FROM identifiers WHERE customer = ?", key)
            if email:
                connection.execute("INSERT INTO identifiers VALUES (?, 'email', ?)", (*key, email))


def _read(counts: PersonCounts, vault: Vault, shops: dict[str, int]) -> None:
    """Keep counts as a matching leaves them, for the addresses that customers have."""
    desk = ConsentDesk(vault)
    with vault.read() as connection:
        rows = connection.execute("SELECT customer, value FROM identifiers WHERE kind = 'email'").fetchall()
    read_for = {str(key): identifier_input(IdentifierKind.EMAIL, value) for key, value in rows}
    counts.save(TABLE, Counts(shops), read_for, consent_position=desk.position())


def _weights(computed: Computed) -> list[float]:
    weights = computed.shops[-1].weights
    assert weights is not None
    return list(weights)


def test_a_customer_weighs_one_over_the_shops_that_the_named_matching_counted(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts
) -> None:
    till = till_of(home, ledger, terms=COUNTED_TERMS)
    till.take(asked_naming(TABLE), plainly)
    assert _weights(computed) == [0.5]
    # Charged as for a whole contribution.
    release = customer_release(noise_multiplier=PLAN.phases[0].noise_multiplier)
    assert ledger.spending(till.limits.budget, today=TODAY).releases == (release,)


@pytest.mark.parametrize("why", ["another table", "no matching yet", "left out of the sum", "too many shops"])
def test_a_shop_without_counts_for_the_named_table_pays_and_adds_nothing(
    why: str,
    home: StoreHome,
    ledger: Ledger,
    computed: Computed,
    counted: PersonCounts,
    full_vault: Vault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = TABLE
    if why == "another table":
        table = ANOTHER
    elif why == "no matching yet":
        home.person_counts.unlink()
    else:
        home.person_counts.unlink()
        anew = PersonCounts(home.person_counts, vault_id=full_vault.vault_id)
        if why == "left out of the sum":
            anew.refuse(TABLE)
        else:
            _read(anew, full_vault, {str(full_vault.customer_key("ann")): K + 1})
    till = till_of(home, ledger, terms=COUNTED_TERMS)
    with caplog.at_level("WARNING"):
        assert till.take(asked_naming(table), plainly)
    assert _weights(computed) == [0.0]
    assert ledger.spending(till.limits.budget, today=TODAY).replies == 1
    assert "adds its share of the noise and nothing else" in caplog.text


#: So little noise that even a shop's share of it hides nothing.
SILENT = default_plan(SCHEMA, noise_multiplier=0.2, gradient_rounds=0)


def test_what_a_shop_without_counts_adds_is_noise_alone(tmp_path: Path) -> None:
    home, phase = shop_with(tmp_path, agreed=6), SILENT.phases[0]
    charter = by_counts(charter_of(SILENT), shops=K)
    mechanism = mechanism_of(phase, charter, participants=5)
    asked = replace(asked_for(plan=SILENT), mechanism=mechanism)
    asked.request.matching_table_sha256 = TABLE
    with closing(Ledger.open(home.ledger)) as ledger:
        till = till_of(home, ledger, epsilon=1e3, plan=SILENT, terms=charter.privacy)
        till = replace(till, limits=replace(till.limits, least_noise_multiplier=0.1))
        noise = np.frombuffer(till.take(asked, plainly), dtype="<i8")
    with Vault.open(home.vault) as vault:
        cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
        shop = load_shop(vault, cohort, SILENT.schema, TODAY, purpose=Purpose.COOP_LEARNING)
    theirs = mechanism.encode(sum_over(SILENT, phase, initial_state(SILENT), shop))
    # Along the customers' sum the noise is one number; six of its stddevs is one run in 500 million.
    tolerance = 6 * 2.0**mechanism.share_log2_stddev * np.linalg.norm(theirs)
    assert abs(noise @ theirs) < tolerance
    assert abs((noise + theirs) @ theirs) > tolerance  # the twin: it is in there


def test_damaged_counts_stop_a_round_before_anything_is_spent(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts
) -> None:
    home.person_counts.write_bytes(b"{}")
    till = till_of(home, ledger, terms=COUNTED_TERMS)
    with pytest.raises(PersonCountsError, match="damaged"):
        till.take(asked_naming(TABLE), plainly)
    spent = ledger.spending(till.limits.budget, today=TODAY)
    assert (spent.rounds, computed.shops, ledger.answered(_key_of(asked_naming(TABLE)))) == (0, [], None)
    # Where the charter takes no counts, nobody looks at them.
    assert till_of(home, ledger).take(asked_for(), plainly)


def _key_of(asked: AskedRound) -> RoundKey:
    return RoundKey(
        programme_id=asked.request.programme_id,
        phase=int(asked.request.round),
        request_sha256=asked.sha256,
    )


def test_the_reply_stays_as_it_is_whatever_becomes_of_the_counts(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts
) -> None:
    till = till_of(home, ledger, terms=COUNTED_TERMS)
    first = till.take(asked_naming(TABLE), plainly)
    counted.save(ANOTHER, Counts({}), {}, consent_position=0)
    assert till.take(asked_naming(TABLE), lambda *_: b"another") == first
    home.person_counts.write_bytes(b"{}")
    assert till.given(asked_naming(TABLE).request, asked_naming(TABLE).sha256) == first
    assert len(computed.shops) == 1


def test_who_withdraws_from_matching_weighs_nothing_and_the_count_is_erased(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts, full_vault: Vault
) -> None:
    desk, ann = ConsentDesk(full_vault), str(full_vault.customer_key("ann"))
    till = till_of(home, ledger, terms=COUNTED_TERMS)
    desk.record("ann", Purpose.MATCHING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
    till.take(asked_naming(TABLE), plainly)
    assert _weights(computed) == [0.0]
    kept = counted.latest()
    assert kept is not None
    assert kept.shops is not None
    assert ann not in kept.shops
    # A new yes is one to the next matching.
    desk.record("ann", Purpose.MATCHING, Act.GIVEN, How(method=Method.SPOKEN, source="test"))
    till.take(asked_naming(TABLE, b"b", "p2"), plainly)
    assert _weights(computed) == [0.0]


@pytest.mark.parametrize("purpose", [Purpose.MATCHING, Purpose.COOP_LEARNING])
def test_who_takes_back_a_yes_and_gives_it_again_before_anybody_looks_has_no_count(
    purpose: Purpose,
    home: StoreHome,
    ledger: Ledger,
    computed: Computed,
    counted: PersonCounts,
    full_vault: Vault,
) -> None:
    desk, till = ConsentDesk(full_vault), till_of(home, ledger, terms=COUNTED_TERMS)
    # The twin: another purpose's answers, and another yes, take nothing.
    desk.record("ann", Purpose.EMAIL_MARKETING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
    desk.record("ann", purpose, Act.GIVEN, How(method=Method.SPOKEN, source="test"))
    till.take(asked_naming(TABLE), plainly)
    assert _weights(computed) == [0.5]
    desk.record("ann", purpose, Act.WITHDRAWN, How(method=Method.SPOKEN, source="one file"))
    desk.record("ann", purpose, Act.GIVEN, How(method=Method.SPOKEN, source="the next"))
    till.take(asked_naming(TABLE, b"b", "p2"), plainly)
    assert _weights(computed) == [0.0]
    kept = counted.latest()
    assert kept is not None
    assert str(full_vault.customer_key("ann")) not in kept.digests


def test_a_log_of_consent_that_got_shorter_takes_everybodys_count(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts, full_vault: Vault
) -> None:
    """It was put back from an older copy: a withdrawal may be lost."""
    length, ann = ConsentDesk(full_vault).position(), str(full_vault.customer_key("ann"))
    for since, weight in ((length, 0.5), (length + 1, 0.0)):
        inputs = {ann: identifier_input(IdentifierKind.EMAIL, "ann@example.org")}
        table = bytes([since]) * 32
        counted.save(table, Counts({ann: 2}), inputs, consent_position=since)
        asked = asked_naming(table, bytes([since]), f"p{since}")
        till_of(home, ledger, terms=COUNTED_TERMS).take(asked, plainly)
        assert _weights(computed) == [weight]


@pytest.mark.parametrize("email", ["anna@example.org", ""])
def test_a_customer_of_another_identifier_than_was_counted_adds_nothing(
    email: str, home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts, full_vault: Vault
) -> None:
    till = till_of(home, ledger, terms=COUNTED_TERMS)
    _named(full_vault, ann=email)
    till.take(asked_naming(TABLE), plainly)
    assert _weights(computed) == [0.0]
    # The twin: the same one in another spelling is the same person.
    _named(full_vault, ann=" ANN@example.org")
    till.take(asked_naming(TABLE, b"b", "p2"), plainly)
    assert _weights(computed) == [0.5]


@pytest.mark.parametrize("purpose", [Purpose.MATCHING, Purpose.COOP_LEARNING])
def test_who_withdraws_while_a_round_is_paid_for_adds_nothing_to_it(
    purpose: Purpose,
    home: StoreHome,
    ledger: Ledger,
    computed: Computed,
    counted: PersonCounts,
    full_vault: Vault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pay = Ledger.open_round

    def withdraws_then(self: Ledger, *arguments: object, **named: object) -> object:
        ConsentDesk(full_vault).record(
            "ann", purpose, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test")
        )
        return pay(self, *arguments, **named)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(Ledger, "open_round", withdraws_then)
    till_of(home, ledger, terms=COUNTED_TERMS).take(asked_naming(TABLE), plainly)
    assert sum(_weights(computed)) == 0
