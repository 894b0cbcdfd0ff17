"""A round is paid for before it is computed, over the customers who agreed and were paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from highstreet.audit.attestation import AttestedUse
from highstreet.audit.charter import PrivacyTerms
from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.requests import mechanism_of
from highstreet.client import leaving_out
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.contribution import sum_over
from highstreet.client.errors import PersonCountsError, RoundRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.person_counts import PersonCounts
from highstreet.client.round_terms import AskedRound
from highstreet.client.shop_loader import load_shop
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.shop import ShopData
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.matching import Counts, IdentifierKind, identifier_input
from highstreet.privacy.releases import customer_release
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, REFUSAL_REPEATED
from highstreet.simulations.secure_sums import OneProcessCoop, round_terms
from tests.client.conftest import NOW, tasteful_files
from tests.client.made_up_coop import (
    SCHEMA,
    about_persons,
    by_counts,
    charter_of,
    context_of,
    mechanism_for,
    round_request,
)

TODAY = date(2026, 11, 22)
PLAN = default_plan(SCHEMA, noise_multiplier=5.0, gradient_rounds=0)


@pytest.fixture
def home(tmp_path: Path, full_vault: Vault) -> StoreHome:
    return StoreHome(tmp_path / "store")


@pytest.fixture
def ledger(home: StoreHome) -> Iterator[Ledger]:
    with closing(Ledger.open(home.ledger)) as opened:
        yield opened


def _till(
    home: StoreHome,
    ledger: Ledger,
    *,
    epsilon: float = 3.0,
    plan: ModelPlan = PLAN,
    terms: PrivacyTerms | None = None,
) -> StoreTill:
    limits = SpendingLimits(budget=Budget(epsilon=epsilon, delta=1e-5, period_days=365))
    agreed = terms or charter_of(plan).privacy
    return StoreTill(home=home, ledger=ledger, plan=plan, terms=agreed, limits=limits, today=lambda: TODAY)


def _asked(mark: bytes = b"a", programme: str = "p1", plan: ModelPlan = PLAN) -> AskedRound:
    request = round_request()
    request.programme_id, request.as_of_day = programme, (TODAY - date(1970, 1, 1)).days
    return AskedRound(
        request=request,
        sha256=mark * 32,
        phase=plan.phases[0],
        state=initial_state(plan),
        mechanism=mechanism_for(plan, plan.phases[0]),
        context=context_of(round_request()),
    )


def _plainly(integers: NDArray[np.int64], use: AttestedUse | None = None) -> bytes:
    """In the place of sharing and sealing: so that the test can read what would be shared."""
    return integers.astype("<i8").tobytes()


class Computed:
    """Watches what is computed with, and that the ledger was written before."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.shops: list[ShopData] = []

    def __call__(
        self, plan: object, phase: object, state: object, shop: ShopData, **how: object
    ) -> NDArray[np.int64]:
        budget = Budget(epsilon=3.0, delta=1e-5, period_days=365)
        assert self.ledger.spending(budget, today=TODAY).rounds == len(self.shops) + 1
        self.shops.append(shop)
        return np.full(PLAN.phases[0].dimension, len(self.shops), dtype=np.int64)


@pytest.fixture
def computed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Computed:
    watcher = Computed(ledger)
    monkeypatch.setattr(leaving_out, "contribute", watcher)
    return watcher


def test_it_is_spent_before_it_is_computed_and_only_with_those_who_agreed(
    home: StoreHome, ledger: Ledger, computed: Computed, full_vault: Vault
) -> None:
    till = _till(home, ledger)
    values = np.full(PLAN.phases[0].dimension, 1, dtype="<i8").tobytes()
    assert till.take(_asked(), lambda *made: b"sealed " + _plainly(*made)) == b"sealed " + values
    (shop,) = computed.shops
    assert shop.customer_ids == (str(full_vault.customer_key("ann")),)
    assert shop.as_of == (TODAY - date(1970, 1, 1)).days


def test_the_same_request_gets_the_stored_reply_and_is_not_computed_again(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = _till(home, ledger)
    first = till.take(_asked(), _plainly)
    assert till.given(_asked().request, _asked().sha256) == first
    assert till.take(_asked(), lambda *_: b"another seal") == first
    assert len(computed.shops) == 1


def test_a_crash_before_the_reply_is_computed_anew_without_spending_again(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = _till(home, ledger)

    def crash(*_: object) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        till.take(_asked(), crash)
    assert till.given(_asked().request, _asked().sha256) is None
    computed.shops.clear()
    assert till.take(_asked(), lambda *_: b"sealed") == b"sealed"
    assert ledger.spending(till.limits.budget, today=TODAY).rounds == 1


def test_who_withdraws_between_spending_and_computing_anew_is_left_out(
    home: StoreHome, ledger: Ledger, computed: Computed, full_vault: Vault
) -> None:
    till = _till(home, ledger)

    def crash(*_: object) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        till.take(_asked(), crash)
    computed.shops.clear()
    ConsentDesk(full_vault).record(
        "ann", Purpose.COOP_LEARNING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test")
    )
    till.take(_asked(), _plainly)
    assert computed.shops[0].customer_ids == ()


def test_another_request_for_the_same_phase_is_refused(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = _till(home, ledger)
    till.take(_asked(), _plainly)
    for attempt in (
        lambda: till.given(_asked(b"b").request, b"b" * 32),
        lambda: till.take(_asked(b"b"), _plainly),
    ):
        with pytest.raises(RoundRefusedError) as caught:
            attempt()
        assert caught.value.code == REFUSAL_REPEATED
    assert len(computed.shops) == 1


def test_a_programme_that_does_not_fit_the_budget_is_refused_from_its_first_phase(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    with pytest.raises(RoundRefusedError) as caught:
        _till(home, ledger, epsilon=0.05).take(_asked(), _plainly)
    assert caught.value.code == REFUSAL_BUDGET
    assert computed.shops == []


#: So many numbers that their spread can be judged by one reply.
WIDE = default_plan(replace(PLAN.schema, key_buckets=8192), noise_multiplier=5.0, gradient_rounds=0)


def _shop(folder: Path, *, agreed: int) -> StoreHome:
    """A store in which so many customers take part; two others said no."""
    home = StoreHome(folder / "store")
    with Vault.open(home.vault) as vault:
        list(
            Importer(vault, now=NOW).run([tasteful_files(folder / "exports", customers=agreed + 2, days=40)])
        )
    return home


def _noise(reply: bytes, home: StoreHome) -> NDArray[np.float64]:
    """What is in the integers beside the clipped sum of the shop, in steps of the grid."""
    phase = WIDE.phases[0]
    with Vault.open(home.vault) as vault:
        cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
        shop = load_shop(vault, cohort, WIDE.schema, TODAY)
    exact = mechanism_for(WIDE, phase).encode(sum_over(WIDE, phase, initial_state(WIDE), shop))
    return (np.frombuffer(reply, dtype="<i8") - exact).astype(np.float64)


@pytest.mark.parametrize("agreed", [0, 1, 22])
def test_a_shop_of_nobody_answers_like_a_shop_of_many(agreed: int, tmp_path: Path) -> None:
    home = _shop(tmp_path, agreed=agreed)
    with closing(Ledger.open(home.ledger)) as ledger:
        reply = _till(home, ledger, plan=WIDE).take(_asked(plan=WIDE), _plainly)
        spent = ledger.spending(Budget(epsilon=3.0, delta=1e-5, period_days=365), today=TODAY)
    assert len(reply) == 8 * WIDE.phases[0].dimension
    assert (spent.rounds, spent.replies, spent.customers) == (1, 1, agreed)

    noise, stddev = _noise(reply, home), 2.0 ** mechanism_for(WIDE, WIDE.phases[0]).share_log2_stddev
    # Six standard errors of a standard deviation, stddev / sqrt(2 d): about one run in 500 million.
    tolerance = 6 * stddev / np.sqrt(2 * len(noise))
    assert abs(noise.std() - stddev) < tolerance
    assert abs(noise.std() - 1.1 * stddev) > tolerance  # a tenth more or less would be seen
    assert abs(noise.mean()) < 6 * stddev / np.sqrt(len(noise))


class Refusing:
    """How it must not be: a shop without customers refuses."""

    def __init__(self, till: StoreTill) -> None:
        self.till = till

    def take(self, asked: AskedRound, seal: Callable[[NDArray[np.int64], AttestedUse], bytes]) -> bytes:
        with Vault.open(self.till.home.vault) as vault:
            if not len(ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)):
                raise RoundRefusedError(REFUSAL_BUDGET, "nobody")
        return self.till.take(asked, seal)


def _outcomes(folder: Path, agreed: int, how: Callable[[StoreTill], StoreTill | Refusing]) -> list[int]:
    """The outcome of every request until well beyond the budget: the reply's length, or minus the refusal."""
    home, found = _shop(folder, agreed=agreed), []
    with closing(Ledger.open(home.ledger)) as ledger:
        till = how(_till(home, ledger, epsilon=1.2))
        for number in range(6):
            try:
                found.append(len(till.take(_asked(programme=f"p{number}"), _plainly)))
            except RoundRefusedError as error:
                found.append(-error.code)
    return found


def test_the_answers_and_refusals_of_a_shop_are_the_same_with_one_customer_more(tmp_path: Path) -> None:
    told = [_outcomes(tmp_path / str(agreed), agreed, lambda till: till) for agreed in (0, 1, 2)]
    assert told[0] == told[1] == told[2]
    assert told[0][0] > 0 > told[0][-1]  # some are answered, and the budget ends
    careless = [_outcomes(tmp_path / f"careless {agreed}", agreed, Refusing) for agreed in (0, 1)]
    assert careless[0] != careless[1]


#: Little noise, so that what is in it shows; of account to nobody but this test.
QUIET = default_plan(SCHEMA, noise_multiplier=0.6, gradient_rounds=0)


def test_the_secure_sum_of_stores_about_persons_is_the_sum_of_divided_contributions(tmp_path: Path) -> None:
    """Through tills, ledgers, vaults and a committee; against plain sums divided by hand."""
    shops, phase = 3, QUIET.phases[0]
    charter = about_persons(charter_of(QUIET), shops=shops)
    mechanism = mechanism_of(phase, charter, participants=shops)
    asked = replace(_asked(plan=QUIET), mechanism=mechanism)
    addends, plain = {}, np.zeros(phase.dimension)
    for number in range(shops):
        home = _shop(tmp_path / str(number), agreed=10 + number)
        with closing(Ledger.open(home.ledger)) as ledger:
            till = _till(home, ledger, epsilon=1e3, plan=QUIET, terms=charter.privacy)
            reply = till.take(asked, _plainly)
            spent = ledger.spending(till.limits.budget, today=TODAY)
        # Charged as for a whole contribution, whatever it counted by.
        assert spent.releases == (customer_release(noise_multiplier=phase.noise_multiplier),)
        addends[number] = partial(np.frombuffer, reply, dtype="<i8")
        with Vault.open(home.vault) as vault:
            cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
            shop = load_shop(vault, cohort, QUIET.schema, TODAY)
        assert shop.weights is None  # what the shop's own model is fitted to
        plain += sum_over(QUIET, phase, initial_state(QUIET), shop)
    coop = OneProcessCoop(shops, round_terms(shops, floor=shops))
    opened = mechanism.decode(coop.add(addends, round_number=0, dimension=phase.dimension).values)

    # Along the sum's own direction the noise is one normal number; six of its stddevs is one in 500 million.
    along, tolerance = plain / np.linalg.norm(plain), 6 * mechanism.noise_stddev(contributors=shops)
    assert abs((opened - plain / shops) @ along) < tolerance
    assert abs((opened - plain) @ along) > tolerance  # the twin: nobody divided


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


def _naming(table: bytes, mark: bytes = b"a", programme: str = "p1") -> AskedRound:
    asked = _asked(mark, programme)
    asked.request.matching_table_sha256 = table
    return asked


def _weights(computed: Computed) -> list[float]:
    weights = computed.shops[-1].weights
    assert weights is not None
    return list(weights)


def test_a_customer_weighs_one_over_the_shops_that_the_named_matching_counted(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts
) -> None:
    till = _till(home, ledger, terms=COUNTED_TERMS)
    till.take(_naming(TABLE), _plainly)
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
    till = _till(home, ledger, terms=COUNTED_TERMS)
    with caplog.at_level("WARNING"):
        assert till.take(_naming(table), _plainly)
    assert _weights(computed) == [0.0]
    assert ledger.spending(till.limits.budget, today=TODAY).replies == 1
    assert "adds its share of the noise and nothing else" in caplog.text


#: So little noise that even a shop's share of it hides nothing.
SILENT = default_plan(SCHEMA, noise_multiplier=0.2, gradient_rounds=0)


def test_what_a_shop_without_counts_adds_is_noise_alone(tmp_path: Path) -> None:
    home, phase = _shop(tmp_path, agreed=6), SILENT.phases[0]
    charter = by_counts(charter_of(SILENT), shops=K)
    mechanism = mechanism_of(phase, charter, participants=5)
    asked = replace(_asked(plan=SILENT), mechanism=mechanism)
    asked.request.matching_table_sha256 = TABLE
    with closing(Ledger.open(home.ledger)) as ledger:
        till = _till(home, ledger, epsilon=1e3, plan=SILENT, terms=charter.privacy)
        till = replace(till, limits=replace(till.limits, least_noise_multiplier=0.1))
        noise = np.frombuffer(till.take(asked, _plainly), dtype="<i8")
    with Vault.open(home.vault) as vault:
        cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
        shop = load_shop(vault, cohort, SILENT.schema, TODAY)
    theirs = mechanism.encode(sum_over(SILENT, phase, initial_state(SILENT), shop))
    # Along the customers' sum the noise is one number; six of its stddevs is one run in 500 million.
    tolerance = 6 * 2.0**mechanism.share_log2_stddev * np.linalg.norm(theirs)
    assert abs(noise @ theirs) < tolerance
    assert abs((noise + theirs) @ theirs) > tolerance  # the twin: it is in there


def test_damaged_counts_stop_a_round_before_anything_is_spent(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts
) -> None:
    home.person_counts.write_bytes(b"{}")
    till = _till(home, ledger, terms=COUNTED_TERMS)
    with pytest.raises(PersonCountsError, match="damaged"):
        till.take(_naming(TABLE), _plainly)
    spent = ledger.spending(till.limits.budget, today=TODAY)
    assert (spent.rounds, computed.shops, ledger.answered(_key_of(_naming(TABLE)))) == (0, [], None)
    # Where the charter takes no counts, nobody looks at them.
    assert _till(home, ledger).take(_asked(), _plainly)


def _key_of(asked: AskedRound) -> RoundKey:
    return RoundKey(
        programme_id=asked.request.programme_id,
        phase=int(asked.request.round),
        request_sha256=asked.sha256,
    )


def test_the_reply_stays_as_it_is_whatever_becomes_of_the_counts(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts
) -> None:
    till = _till(home, ledger, terms=COUNTED_TERMS)
    first = till.take(_naming(TABLE), _plainly)
    counted.save(ANOTHER, Counts({}), {}, consent_position=0)
    assert till.take(_naming(TABLE), lambda *_: b"another") == first
    home.person_counts.write_bytes(b"{}")
    assert till.given(_naming(TABLE).request, _naming(TABLE).sha256) == first
    assert len(computed.shops) == 1


def test_who_withdraws_from_matching_weighs_nothing_and_the_count_is_erased(
    home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts, full_vault: Vault
) -> None:
    desk, ann = ConsentDesk(full_vault), str(full_vault.customer_key("ann"))
    till = _till(home, ledger, terms=COUNTED_TERMS)
    desk.record("ann", Purpose.MATCHING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
    till.take(_naming(TABLE), _plainly)
    assert _weights(computed) == [0.0]
    kept = counted.latest()
    assert kept is not None
    assert kept.shops is not None
    assert ann not in kept.shops
    # A new yes is one to the next matching.
    desk.record("ann", Purpose.MATCHING, Act.GIVEN, How(method=Method.SPOKEN, source="test"))
    till.take(_naming(TABLE, b"b", "p2"), _plainly)
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
    desk, till = ConsentDesk(full_vault), _till(home, ledger, terms=COUNTED_TERMS)
    # The twin: another purpose's answers, and another yes, take nothing.
    desk.record("ann", Purpose.EMAIL_MARKETING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
    desk.record("ann", purpose, Act.GIVEN, How(method=Method.SPOKEN, source="test"))
    till.take(_naming(TABLE), _plainly)
    assert _weights(computed) == [0.5]
    desk.record("ann", purpose, Act.WITHDRAWN, How(method=Method.SPOKEN, source="one file"))
    desk.record("ann", purpose, Act.GIVEN, How(method=Method.SPOKEN, source="the next"))
    till.take(_naming(TABLE, b"b", "p2"), _plainly)
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
        asked = _naming(table, bytes([since]), f"p{since}")
        _till(home, ledger, terms=COUNTED_TERMS).take(asked, _plainly)
        assert _weights(computed) == [weight]


@pytest.mark.parametrize("email", ["anna@example.org", ""])
def test_a_customer_of_another_identifier_than_was_counted_adds_nothing(
    email: str, home: StoreHome, ledger: Ledger, computed: Computed, counted: PersonCounts, full_vault: Vault
) -> None:
    till = _till(home, ledger, terms=COUNTED_TERMS)
    _named(full_vault, ann=email)
    till.take(_naming(TABLE), _plainly)
    assert _weights(computed) == [0.0]
    # The twin: the same one in another spelling is the same person.
    _named(full_vault, ann=" ANN@example.org")
    till.take(_naming(TABLE, b"b", "p2"), _plainly)
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
    _till(home, ledger, terms=COUNTED_TERMS).take(_naming(TABLE), _plainly)
    assert sum(_weights(computed)) == 0


def test_what_leaves_is_as_many_numbers_as_the_phase_has(home: StoreHome, ledger: Ledger) -> None:
    sealed = _till(home, ledger).take(_asked(), _plainly)
    assert len(sealed) == 8 * PLAN.phases[0].dimension


def test_one_set_is_agreed_to_whatever_comes_later(home: StoreHome, ledger: Ledger) -> None:
    till, asked = _till(home, ledger), _asked()
    assert till.agreed_set(asked.request, asked.sha256) is None
    till.agree(asked.request, asked.sha256, b"1" * 32)
    till.agree(asked.request, asked.sha256, b"1" * 32)
    assert till.agreed_set(asked.request, asked.sha256) == b"1" * 32
    for attempt in (
        lambda: till.agree(asked.request, asked.sha256, b"2" * 32),
        lambda: till.agree(asked.request, b"b" * 32, b"1" * 32),
        lambda: till.agreed_set(asked.request, b"b" * 32),
        lambda: till.take(_asked(b"b"), _plainly),
    ):
        with pytest.raises(RoundRefusedError) as caught:
            attempt()
        assert caught.value.code == REFUSAL_REPEATED
