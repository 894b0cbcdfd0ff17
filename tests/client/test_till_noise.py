"""What a shop sends is its share of the noise over a sum, and tells nobody how many customers it has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from highstreet.audit.attestation import AttestedUse
from highstreet.audit.consent import Purpose
from highstreet.audit.requests import mechanism_of
from highstreet.client.consent import ConsentDesk
from highstreet.client.contribution import sum_over
from highstreet.client.errors import RoundRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.round_terms import AskedRound
from highstreet.client.shop_loader import load_shop
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.models.programme import default_plan, initial_state
from highstreet.privacy.budget import Budget
from highstreet.privacy.releases import customer_release
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET
from highstreet.simulations.secure_sums import OneProcessCoop, round_terms
from tests.client.made_up_coop import SCHEMA, about_persons, charter_of, mechanism_for
from tests.client.played_till import PLAN, TODAY, asked_for, plainly, shop_with, till_of

#: So many numbers that their spread can be judged by one reply.
WIDE = default_plan(replace(PLAN.schema, key_buckets=8192), noise_multiplier=5.0, gradient_rounds=0)


def _noise(reply: bytes, home: StoreHome) -> NDArray[np.float64]:
    """What is in the integers beside the clipped sum of the shop, in steps of the grid."""
    phase = WIDE.phases[0]
    with Vault.open(home.vault) as vault:
        cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
        shop = load_shop(vault, cohort, WIDE.schema, TODAY, purpose=Purpose.COOP_LEARNING)
    exact = mechanism_for(WIDE, phase).encode(sum_over(WIDE, phase, initial_state(WIDE), shop))
    return (np.frombuffer(reply, dtype="<i8") - exact).astype(np.float64)


@pytest.mark.parametrize("agreed", [0, 1, 22])
def test_a_shop_of_nobody_answers_like_a_shop_of_many(agreed: int, tmp_path: Path) -> None:
    home = shop_with(tmp_path, agreed=agreed)
    with closing(Ledger.open(home.ledger)) as ledger:
        reply = till_of(home, ledger, plan=WIDE).take(asked_for(plan=WIDE), plainly)
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
    home, found = shop_with(folder, agreed=agreed), []
    with closing(Ledger.open(home.ledger)) as ledger:
        till = how(till_of(home, ledger, epsilon=1.2))
        for number in range(6):
            try:
                found.append(len(till.take(asked_for(programme=f"p{number}"), plainly)))
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
    asked = replace(asked_for(plan=QUIET), mechanism=mechanism)
    addends, plain = {}, np.zeros(phase.dimension)
    for number in range(shops):
        home = shop_with(tmp_path / str(number), agreed=10 + number)
        with closing(Ledger.open(home.ledger)) as ledger:
            till = till_of(home, ledger, epsilon=1e3, plan=QUIET, terms=charter.privacy)
            reply = till.take(asked, plainly)
            spent = ledger.spending(till.limits.budget, today=TODAY)
        # Charged as for a whole contribution, whatever it counted by.
        assert spent.releases == (customer_release(noise_multiplier=phase.noise_multiplier),)
        addends[number] = partial(np.frombuffer, reply, dtype="<i8")
        with Vault.open(home.vault) as vault:
            cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
            shop = load_shop(vault, cohort, QUIET.schema, TODAY, purpose=Purpose.COOP_LEARNING)
        assert shop.weights is None  # what the shop's own model is fitted to
        plain += sum_over(QUIET, phase, initial_state(QUIET), shop)
    coop = OneProcessCoop(shops, round_terms(shops, floor=shops))
    opened = mechanism.decode(coop.add(addends, round_number=0, dimension=phase.dimension).values)

    # Along the sum's own direction the noise is one normal number; six of its stddevs is one in 500 million.
    along, tolerance = plain / np.linalg.norm(plain), 6 * mechanism.noise_stddev(contributors=shops)
    assert abs((opened - plain / shops) @ along) < tolerance
    assert abs((opened - plain) @ along) > tolerance  # the twin: nobody divided
