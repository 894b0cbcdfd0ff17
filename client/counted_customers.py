"""Counted customers: what each weighs in one round, by the matching that the round names.

Counts are read once for a contribution, before anything is spent: a damaged file stops the round while
nothing has happened. Consent to being matched is looked up then, and again when the customers are used:
whoever has withdrawn meanwhile weighs nothing, and adds nothing, whatever is in the file. A count holds for
the identifier it was read for and no other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from highstreet.client.consent import ConsentDesk
from highstreet.client.consented_cohort import ConsentedCohort, still_granted
from highstreet.client.matching_inputs import MATCHING_PURPOSES, present_inputs
from highstreet.client.matching_withdrawals import forget_withdrawn
from highstreet.client.person_counts import PersonCounts
from highstreet.client.vault import Vault

__all__ = ["CountedCustomers"]

_LOG = logging.getLogger("highstreet.rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCustomers:
    """The weights of one contribution, as they were read.

    Attributes:
        cohort: who agreed to being matched, and to learning, when they were read.
        weights: by customer, above 0. Personal data.
    """

    cohort: ConsentedCohort
    weights: Mapping[str, float] = field(repr=False)

    @classmethod
    def read(
        cls, vault: Vault, counts: PersonCounts, table_request_sha256: bytes, *, most_shops: int
    ) -> CountedCustomers:
        """Read what the customers who agree at this moment weigh; nobody does under another table.

        Raises:
            PersonCountsError: the counts are damaged.
            FileAccessError: they cannot be read.
            InconsistentConsentLogError: the consent log cannot be relied on.
        """
        forget_withdrawn(vault, counts)
        cohort = ConsentDesk(vault).cohort(*MATCHING_PURPOSES)
        customers = [str(customer) for customer in cohort.customers]
        present = present_inputs(vault, cohort)
        read = counts.weights(table_request_sha256, customers, present, most_shops=most_shops)
        weights = {
            customer: float(weight) for customer, weight in zip(customers, read, strict=True) if weight > 0
        }
        if not weights:
            _LOG.warning(
                "no customer has a count from the matching that this round names: this shop adds its share "
                "of the noise and nothing else, until it has taken part in the next matching"
            )
        return cls(cohort=cohort, weights=weights)

    def of_agreeing(self, vault: Vault) -> dict[str, float]:
        """Return the weights of those who have not withdrawn since they were read."""
        with vault.read() as connection:
            agreeing = still_granted(self.cohort, vault, connection, *MATCHING_PURPOSES)
        return {str(key): self.weights[str(key)] for key in agreeing if str(key) in self.weights}
