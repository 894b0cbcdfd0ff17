"""Consent in use: whose data went into what has not left yet, and who of them has withdrawn since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from highstreet.audit.attestation import ConsentBasis
from highstreet.audit.consent import Purpose
from highstreet.client.consent import ConsentDesk
from highstreet.client.consented_cohort import ConsentedCohort, basis_now
from highstreet.client.matching_inputs import MATCHING_PURPOSES
from highstreet.client.vault import Vault

__all__ = ["ConsentInUse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentInUse:
    """What a contribution was computed under.

    Attributes:
        position: the last entry of the consent log that was known when its cohort was made.
        customers: row keys of those in it.
        sensitive: of these, those whose purchases of a sensitive kind are in it.
        counted: of these, those who weigh something by a matching; empty where the charter takes no counts.
        basis: the log and the moment by which all of that was judged, for the attestation.
    """

    position: int
    customers: frozenset[int]
    sensitive: frozenset[int]
    counted: frozenset[int]
    basis: ConsentBasis

    @classmethod
    def of(
        cls,
        vault: Vault,
        cohort: ConsentedCohort,
        customer_ids: tuple[str, ...],
        *,
        sensitive: frozenset[int],
        weights: Mapping[str, float] | None,
    ) -> ConsentInUse:
        """Note what is used of a cohort's customers, who are named as in `load_shop`.

        Args:
            vault: where the consent log is; who says no after the loading is found by `ended`.
            cohort: of co-op learning, as it was asked for before anything was loaded.
            customer_ids: who is in what was computed.
            sensitive: as the loading transaction saw it (`LoadedShop.sensitive`), never asked for later.
            weights: as they were used.
        """
        with vault.read() as connection:
            basis = basis_now(cohort, vault, connection, Purpose.COOP_LEARNING)
        customers = frozenset(int(customer) for customer in customer_ids)
        return cls(
            position=cohort.position,
            customers=customers,
            sensitive=sensitive & customers,
            counted=customers.intersection(int(customer) for customer in weights or ()),
            basis=basis,
        )

    def purposes(self, customer: int) -> frozenset[Purpose]:
        """Return what the data of one of them is used for."""
        also = ((Purpose.SENSITIVE_CATEGORIES, self.sensitive), (Purpose.MATCHING, self.counted))
        return frozenset({Purpose.COOP_LEARNING, *(each for each, those in also if customer in those)})

    def ended(self, vault: Vault) -> frozenset[int]:
        """Return who of them has said no since, or does not stand as they did when it was computed.

        A no counts though another yes followed it: what was computed before it is not used after it.

        Raises:
            InconsistentConsentLogError: the consent log cannot be relied on.
        """
        desk = ConsentDesk(vault)
        learning, sensitive = Purpose.COOP_LEARNING, Purpose.SENSITIVE_CATEGORIES
        gone = self.customers.difference(desk.cohort(learning).customers)
        gone |= self.sensitive.difference(desk.cohort(learning, sensitive).customers)
        gone |= self.counted.difference(desk.cohort(*MATCHING_PURPOSES).customers)
        gone |= self.customers & desk.said_no(learning, since=self.position)
        gone |= self.sensitive & desk.said_no(sensitive, since=self.position)
        gone |= self.counted & desk.said_no(Purpose.MATCHING, since=self.position)
        return gone
