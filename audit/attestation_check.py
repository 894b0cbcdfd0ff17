"""The auditor's check of an attestation, and a person's: from papers alone, offline.

An opening holds when everything that was signed follows from it: the consent log's root and position, the
moment, the policy, and the cohort's root, in which there is no room for anybody who was not shown. Then every
customer of the cohort is judged by the same rules as the store judges by (`consent_states`), for what the
store says they were used for and for what such a contribution takes whatever it says.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from highstreet.audit.attestation import Attestation
from highstreet.audit.attestation_papers import AttestationOpening, CohortEntry, MembershipProof, attested
from highstreet.audit.canonical import canonical_json
from highstreet.audit.cohort_commitment import CohortTree, customer_leaf, verify_membership
from highstreet.audit.consent import Channel, ConsentState, Purpose
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.consent_states import CLOCK_TOLERANCE_MICROSECONDS, ConsentStates
from highstreet.audit.consent_tree import ConsentTree
from highstreet.audit.errors import AttestationError

__all__ = ["OpeningVerdict", "WithoutConsent", "check_membership", "check_opening"]

_DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutConsent:
    """A customer who was used for what they had not agreed to.

    Attributes:
        entry: of the cohort.
        purpose, state: what for, and where they stood on it.
    """

    entry: CohortEntry
    purpose: Purpose
    state: ConsentState


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningVerdict:
    """What an opening shows.

    Attributes:
        attestation: as signed.
        customers: how many of the cohort were checked.
        erased: how many cannot be any more, because they were erased since.
        emptied: how many entries of the consent log were emptied since.
        first: the first customer of the cohort, by place, without consent; None when all had it.
        without: how many had none.
    """

    attestation: Attestation
    customers: int
    erased: int
    emptied: int
    first: WithoutConsent | None
    without: int


def check_opening(opening: AttestationOpening, *, public_key: bytes | None = None) -> OpeningVerdict:
    """Check an opening, and that everybody in the cohort had standing consent for what they were used for.

    What it cannot show: that entries which are empty now were those of people who were erased, and that a
    customer who was excluded (a minor, a restriction) is not in the cohort: neither is in the consent log.

    Args:
        opening: as read.
        public_key: the store's as known from elsewhere; None: the paper's own.

    Raises:
        AttestationError: something that was signed does not follow from the opening, or the store judged
            consent by laxer rules than its own policy.
    """
    attestation = attested(opening, public_key=public_key)
    use = attestation.use
    _require(opening.basis.commitment(opening.consent_salt), use.consent, "the consent log's head")
    policy = hashlib.sha256(canonical_json(dict(opening.policy))).digest()
    _require(policy, use.policy_sha256, "the store's policy")
    _refuse_laxer_rules(opening)
    tree = _tree(opening)
    _require(tree.root, use.cohort, "the cohort")
    states = _states(opening)
    needed = attestation.round.kind.purposes
    emptied = sum(each.event is None for each in opening.entries)
    if len(opening.erased) * len(needed) > emptied:  # whoever had agreed left an entry for each
        raise AttestationError(
            f"{len(opening.erased)} of the cohort are said to be erased, and {emptied} entries of the "
            "consent log are empty: not all of them can have agreed."
        )
    found = (_without(states, opening, each, needed) for each in opening.cohort)
    wrong = [each for each in found if each is not None]
    return OpeningVerdict(
        attestation=attestation,
        customers=len(opening.cohort),
        erased=len(opening.erased),
        emptied=emptied,
        first=min(wrong, key=lambda found: found.entry.slot, default=None),
        without=len(wrong),
    )


def check_membership(proof: MembershipProof, *, public_key: bytes | None = None) -> Attestation:
    """Return the attestation whose cohort the person was in.

    Raises:
        AttestationError: the proof does not show it.
    """
    attestation = attested(proof, public_key=public_key)
    entry = proof.entry
    leaf = customer_leaf(entry.salt, entry.customer, entry.purposes)
    verify_membership(leaf, slot=entry.slot, proof=proof.path, root=attestation.use.cohort)
    return attestation


def _refuse_laxer_rules(opening: AttestationOpening) -> None:
    """Return only when no yes lasted longer, or was dated further ahead, than the signed policy lets it."""
    rules, time = opening.policy.get("consent"), opening.basis.time
    days = rules.get("valid_days") if isinstance(rules, Mapping) else None
    if type(days) is not int or days < 0:
        raise AttestationError("The policy does not say how long a customer's yes counts.")
    longest = time.longest_validity
    is_longer = days > 0 and (longest is None or longest > days * _DAY_MICROSECONDS)
    if is_longer or time.tolerance > CLOCK_TOLERANCE_MICROSECONDS:
        raise AttestationError(
            "Consent was judged by laxer rules than those of the policy that was attested."
        )


def _tree(opening: AttestationOpening) -> CohortTree:
    customers = [each.customer for each in opening.cohort]
    if len(set(customers)) != len(customers):
        raise AttestationError("One customer stands in the cohort twice.")
    leaves = {each.slot: customer_leaf(each.salt, each.customer, each.purposes) for each in opening.cohort}
    return CohortTree(opening.pad_key, {**opening.erased, **leaves})


def _states(opening: AttestationOpening) -> ConsentStates:
    """Fold the consent log, once it is the one that was attested."""
    states, tree = ConsentStates(), ConsentTree()
    for position, entry in enumerate(opening.entries, start=1):
        if entry.event is not None and entry.salt is not None:
            if consent_leaf(entry.event, entry.salt) != entry.leaf:
                raise AttestationError(f"Entry {position} of the consent log does not fit its leaf.")
            states.take(position, entry.event)
        tree.add(entry.leaf)
    if tree.size != opening.basis.position:
        raise AttestationError(
            f"The opening holds {tree.size} entries of the consent log, not the {opening.basis.position} "
            "that were attested."
        )
    _require(tree.root(), opening.basis.root, "the consent log")
    return states


def _without(
    states: ConsentStates, opening: AttestationOpening, entry: CohortEntry, needed: frozenset[Purpose]
) -> WithoutConsent | None:
    for purpose in sorted(entry.purposes | needed):
        state = states.state(entry.customer, purpose, Channel.EVERYWHERE, opening.basis.time)
        if state is not ConsentState.GRANTED:
            return WithoutConsent(entry=entry, purpose=purpose, state=state)
    return None


def _require(found: bytes, signed: bytes, what: str) -> None:
    if not hmac.compare_digest(found, signed):
        raise AttestationError(f"What the opening says of {what} is not what was attested.")
