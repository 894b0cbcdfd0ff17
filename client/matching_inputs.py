"""Inputs of a matching: the identifiers of consented customers, as they are hashed. Personal data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from highstreet.audit.attestation import ConsentBasis
from highstreet.audit.consent import Purpose
from highstreet.client.consented_cohort import ConsentedCohort, granted_by
from highstreet.client.vault import Vault
from highstreet.privacy.matching import IdentifierKind, identifier_input
from highstreet.privacy.matching.errors import InvalidIdentifierError

__all__ = ["MATCHING_PURPOSES", "MatchingInputs", "matching_inputs", "present_inputs"]

#: Both are needed: who is matched is to count in the co-op's learning, and to be counted across shops.
MATCHING_PURPOSES = (Purpose.COOP_LEARNING, Purpose.MATCHING)

_IDENTIFIERS = """
    SELECT customer, value FROM identifiers
    WHERE kind = ? AND customer IN (SELECT value FROM json_each(?)) ORDER BY customer
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingInputs:
    """What is hashed of customers who agree, and what their consent was judged by in the same state.

    Attributes:
        by_customer: row key in decimal digits -> `identifier_input`.
        basis: the consent log and the moment.
    """

    by_customer: Mapping[str, bytes] = field(repr=False)
    basis: ConsentBasis = field(repr=False)

    def changed(self, listed: Mapping[str, bytes]) -> frozenset[str]:
        """Return who of a list does not agree any more, or is not known by the identifier in it."""
        return frozenset(
            customer for customer, message in listed.items() if self.by_customer.get(customer) != message
        )


def matching_inputs(vault: Vault, cohort: ConsentedCohort, kind: IdentifierKind) -> MatchingInputs:
    """Return what is hashed for each customer of a cohort who has not withdrawn and has such an identifier.

    Consent is looked up again in the very state that identifiers are read from. A customer is named by the
    vault's row key in decimal digits, as in `load_shop`. Several may have one input; `MatchingStore.draw`
    takes one of them.

    Args:
        vault: the shop's data.
        cohort: from `ConsentDesk.cohort(*MATCHING_PURPOSES)`; nothing else will do.
        kind: the charter's.

    Raises:
        WrongPurposeError: the cohort's customers did not agree to both purposes; nothing is read.
        ForgedCohortError, CohortExpiredError, InconsistentConsentLogError: nothing is loaded.
    """
    with vault.read() as connection:
        granted, basis = granted_by(cohort, vault, connection, *MATCHING_PURPOSES)
        rows = connection.execute(_IDENTIFIERS, (kind.value, json.dumps(granted))).fetchall()
    inputs = {}
    for customer, value in rows:
        try:
            inputs[str(customer)] = identifier_input(kind, value)
        except InvalidIdentifierError:
            # Saved under another version of Unicode, or by other hands: not matched, and so of weight 0.
            continue
    return MatchingInputs(by_customer=inputs, basis=basis)


def present_inputs(vault: Vault, cohort: ConsentedCohort) -> dict[str, frozenset[bytes]]:
    """Return what `matching_inputs` gives for each customer, of every kind: what a count can hold for.

    Raises:
        WrongPurposeError, ForgedCohortError, CohortExpiredError, InconsistentConsentLogError: as there.
    """
    by_kind = [matching_inputs(vault, cohort, kind).by_customer for kind in IdentifierKind]
    customers = frozenset().union(*by_kind)
    return {
        customer: frozenset(inputs[customer] for inputs in by_kind if customer in inputs)
        for customer in customers
    }
