"""Paying for a round and computing it: ledger, consent desk and training, always in this order.

The cohort is asked for at this moment. The ledger writes down who is exposed, by pseudonyms, before
anything is computed. What is computed uses those customers and nobody else, less those who have withdrawn
meanwhile. The clipped sum with this store's share of the noise is shared among the committee and sealed.
Shortly before that leaves, consent is looked at once more (`consent_in_use`): if anybody in it has
withdrawn, it is thrown away, unseen by anybody, and computed anew without them. Else it is written down,
and from then on it counts as handed over: the same bytes leave whenever they are asked for.

A shop of nobody goes the same way as a shop of thousands: what it adds is then noise alone, of the same size.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.attestation import AttestedKind, AttestedUse
from highstreet.audit.charter import PrivacyTerms
from highstreet.audit.consent import Purpose
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.attested_use import CommittedRound, commit_to_round
from highstreet.client.consent import ConsentDesk
from highstreet.client.consent_in_use import ConsentInUse
from highstreet.client.contribution import phase_release
from highstreet.client.counted_customers import CountedCustomers
from highstreet.client.customer_weights import weighted_for_sums
from highstreet.client.errors import RestoredError, RoundRefusedError, RoundRepeatedError, VaultBusyError
from highstreet.client.home import StoreHome
from highstreet.client.leaving_out import contribute_regardless
from highstreet.client.ledger import AnsweredRound, Ledger, OpenedRound, RoundKey
from highstreet.client.person_counts import PersonCounts
from highstreet.client.pseudonyms import ledger_names
from highstreet.client.round_terms import AskedRound
from highstreet.client.shop_loader import load_consented
from highstreet.client.store_policy import store_policy
from highstreet.client.vault import Vault
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import needed_attributes
from highstreet.models.shop import ShopData
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.errors import BudgetExhaustedError, ReleaseRefusedError
from highstreet.privacy.releases import Weighting
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_RELEASE,
    REFUSAL_REPEATED,
    RoundRequest,
)

__all__ = ["StoreTill"]

_LOG = logging.getLogger("highstreet.rounds")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A reply that nobody has seen yet, and what it was computed under."""

    reply: bytes
    consent: ConsentInUse
    committed: CommittedRound


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTill:
    """The till of one store, with what it agreed to on committees; used by one thread at a time.

    Attributes:
        home: the store's folder, for the vault.
        ledger: open for as long as the store runs.
        plan: of the charter this store accepted.
        terms: of that charter: what customers' contributions count by. Whatever that is, a customer is
            charged for a whole contribution, which bounds a part of one.
        limits: the store's own and what its charter promises, for the ledger.
        today: by the store's clock.
        approach: waits until shortly before what was computed may leave (`departures`).
    """

    home: StoreHome
    ledger: Ledger
    plan: ModelPlan
    terms: PrivacyTerms
    limits: SpendingLimits
    today: Callable[[], date] = lambda: datetime.now(UTC).date()
    approach: Callable[[], None] = lambda: None

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        """Return the reply given to this very request before, None when there is none.

        Raises:
            RoundRefusedError: this phase was opened for another request.
        """
        with _refusing_another_request():
            answered = self.ledger.answered(_key(request, sha256))
        return None if answered is None else answered.reply

    def agreed_set(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        """Return the set of contributors agreed to as a member of the round's committee.

        Raises:
            RoundRefusedError: this phase was asked for by another request.
        """
        with _refusing_another_request():
            return self.ledger.agreed_set(_key(request, sha256))

    def agree(self, request: RoundRequest, sha256: bytes, set_sha256: bytes) -> None:
        """Record a set of contributors durably; the same one again changes nothing.

        Raises:
            RoundRefusedError: another set, or another request for this phase, is on record.
        """
        with _refusing_another_request():
            self.ledger.agree(_key(request, sha256), set_sha256)

    def take(self, asked: AskedRound, seal: Callable[[NDArray[np.int64], AttestedUse], bytes]) -> bytes:
        """Spend durably, compute the noised integers, seal them, keep the reply durably, return it.

        What opens the reply's attestation is kept before the reply is: there is none without.

        Guarantee: nobody is in the reply who had said no when consent was last looked at, just before the
        reply was kept. What was computed before and thrown away was never kept or sent, so what leaves is one
        noised sum, distributed as if only it had been computed; it is paid for once. Whether it refuses
        depends on the request, the store's limits and the releases it opened before. Every other error comes
        from this computer (a disk, a clock set back, a damaged file). Counts that cannot be read are such an
        error, and nothing was spent then; counts that are not there are none.

        Args:
            asked: found in order.
            seal: shares the integers among the round's committee, attests to their use and seals both.

        Raises:
            RoundRefusedError: the budget or the store's own limits do not allow it.
        """
        key = _key(asked.request, asked.sha256)
        gone: frozenset[int] = frozenset()
        while True:
            made = self._made(key, asked, seal, without=gone)
            if isinstance(made, AnsweredRound):
                return made.reply
            self.approach()
            with Vault.open(self.home.vault) as vault:
                ended = made.consent.ended(vault)
            if not ended:
                AttestationBook(self.home).keep(made.committed)
                return self.ledger.store_reply(key, made.reply)
            gone |= ended  # not brought back into this round, whatever they say next: so it ends
            _LOG.info("phase %s: computed anew, what it was computed under changed", asked.phase.name)

    def _made(
        self,
        key: RoundKey,
        asked: AskedRound,
        seal: Callable[[NDArray[np.int64], AttestedUse], bytes],
        *,
        without: frozenset[int],
    ) -> _Made | AnsweredRound:
        """Pay, unless that was done, and compute a reply that nobody has seen yet."""
        with Vault.open(self.home.vault) as vault:
            desk = ConsentDesk(vault)
            with suppress(VaultBusyError):  # what ran out does not count, written down or not
                desk.note_expired()
            cohort = desk.cohort(Purpose.COOP_LEARNING)
            names = ledger_names(vault, [each for each in cohort.customers if each not in without])
            counted = self._counted(vault, asked.request)
            opened = self._spend(key, asked, tuple(names.values()))
            if isinstance(opened, AnsweredRound):
                return opened
            paid_for = frozenset(opened.customers)
            customers = frozenset(str(customer) for customer, name in names.items() if name in paid_for)
            as_of = _EPOCH + timedelta(days=asked.request.as_of_day)
            attributes = needed_attributes(asked.phase)
            loaded = load_consented(
                vault,
                cohort,
                self.plan.schema,
                as_of,
                purpose=Purpose.COOP_LEARNING,
                attributes=attributes,
            )
            shop = _only(loaded.data, customers)
            weights = None if counted is None else counted.of_agreeing(vault)
            consent = ConsentInUse.of(
                vault, cohort, shop.customer_ids, sensitive=loaded.sensitive, weights=weights
            )
        _LOG.info("phase %s: paid for, epsilon %.3g", asked.phase.name, opened.epsilon)
        shop = weighted_for_sums(shop, self.terms, weights)
        integers = contribute_regardless(self.plan, asked.phase, asked.state, shop, mechanism=asked.mechanism)
        committed = self._committed(asked, consent, names)
        return _Made(reply=seal(integers, committed.use), consent=consent, committed=committed)

    def _committed(
        self, asked: AskedRound, consent: ConsentInUse, names: Mapping[int, str]
    ) -> CommittedRound:
        period = self.limits.budget.period_days  # of no weight: a programme's loss is of all its days
        budget = Budget(epsilon=self.terms.epsilon, delta=self.terms.delta, period_days=period)
        programme_id = asked.request.programme_id
        return commit_to_round(
            {customer: consent.purposes(customer) for customer in consent.customers},
            names,
            name=AttestedName(
                programme_id=programme_id, kind=AttestedKind.TRAINING, round=asked.request.round
            ),
            basis=consent.basis,
            request_sha256=asked.sha256,
            policy=store_policy(self.home),
            epsilon=self.ledger.programme_epsilon(programme_id, budget=budget),
            delta=self.terms.delta,
        )

    def paid_for(self) -> dict[str, bool]:
        """Return every programme ever paid for, and whether what was spent on it still counts."""
        return self.ledger.programmes(period_days=self.limits.longest.period_days, today=self.today())

    def _counted(self, vault: Vault, request: RoundRequest) -> CountedCustomers | None:
        """Read what customers weigh, before anything is spent; None where the charter alone says it."""
        if self.terms.weighting is not Weighting.ONE_OVER_SHOPS:
            return None
        counts = PersonCounts(self.home.person_counts, vault_id=vault.vault_id)
        table, most_shops = request.matching_table_sha256, self.terms.shops_per_person
        return CountedCustomers.read(vault, counts, table, most_shops=most_shops)

    def _spend(
        self, key: RoundKey, asked: AskedRound, customers: tuple[str, ...]
    ) -> OpenedRound | AnsweredRound:
        following = self.plan.phases[asked.phase.index + 1 :]
        try:
            with _refusing_another_request():
                return self.ledger.open_round(
                    key,
                    release=phase_release(asked.phase),
                    cohort=customers,
                    limits=self.limits,
                    today=self.today(),
                    remaining=[phase_release(phase) for phase in following],
                )
        except BudgetExhaustedError as error:
            _LOG.warning("%s", error.what)
            raise RoundRefusedError(REFUSAL_BUDGET, "the budget of the period does not allow it") from error
        except RestoredError as error:
            _LOG.warning("%s", error.what)
            raise RoundRefusedError(
                REFUSAL_BUDGET, "what was spent in the period may be forgotten"
            ) from error
        except ReleaseRefusedError as error:
            _LOG.warning("%s", error.what)
            raise RoundRefusedError(REFUSAL_RELEASE, "it is outside this store's limits") from error


@contextmanager
def _refusing_another_request() -> Iterator[None]:
    try:
        yield
    except RoundRepeatedError as error:
        raise RoundRefusedError(REFUSAL_REPEATED, "it was asked for before, in another way") from error


def _key(request: RoundRequest, sha256: bytes) -> RoundKey:
    return RoundKey(programme_id=request.programme_id, phase=int(request.round), request_sha256=sha256)


def _only(shop: ShopData, customers: frozenset[str]) -> ShopData:
    """Return the shop with the customers who were paid for, and nobody else."""
    rows = [row for row, customer in enumerate(shop.customer_ids) if customer in customers]
    return shop if len(rows) == len(shop.customer_ids) else shop.select(np.array(rows, dtype=np.int64))
