"""What a statement says of a release: everything follows from its charter and its manifest, nothing is added.

Written for a file on data protection (a DPIA): purposes, data categories, the unit that is protected, epsilon
and delta in both ways, how sums are made, quality, bias with intervals, and what is not promised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from highstreet.audit.audit_results import AuditResults
from highstreet.audit.bias_gate import CellFinding, Finding
from highstreet.audit.bias_report import BiasReport
from highstreet.audit.bias_rules import BiasRule
from highstreet.audit.canonical import Json
from highstreet.audit.charter import Charter
from highstreet.audit.claims import period_in_words, weights_in_words
from highstreet.audit.consent import Purpose
from highstreet.audit.erasure_certificate import guess_bound
from highstreet.audit.manifest import Manifest
from highstreet.audit.scorecard import PARTS, RANKINGS
from highstreet.models.plan import PhasePlan
from highstreet.models.programme import measured_parts
from highstreet.privacy.claims import Claim
from highstreet.privacy.releases import Neighbouring, NoisePlacement, PrivacyUnit, Weighting

__all__ = ["LEGAL_BASIS", "sections"]

#: What a purpose of the co-op rests on.
LEGAL_BASIS = "consent (GDPR, Article 6(1)(a))"

#: Phase -> what of one customer goes into its sum.
_OF_A_CUSTOMER = {
    "popularity": "which products, categories, brands and makers the customer bought, and how long ago",
    "cooccurrence": "which products and categories the customer bought both of",
    "curvature": "second moments of features of the customer's own purchases",
    "ranker": "the gradient of the shared model on the customer's own purchases",
    "evaluation": "how well the model puts the customer's later purchases in order",
    "bias": "the same, by the groups the customer is in, and which products the model shows them",
}
_OF_ANY_CUSTOMER = "numbers computed from the customer's own purchases"
_GROUPS = {
    "age_band": "age band",
    "household_size": "size of the household",
    "income_band": "income band",
    "language": "language",
    "place": "kind of place lived in",
    "history": "whether there is much or little purchase history",
    "tenure": "whether the customer is new or known for long",
    "exposure": "which kinds of products are shown",
}
_UNITS = {
    PrivacyUnit.CUSTOMER_AT_STORE: "a customer of one shop",
    PrivacyUnit.PERSON: "a person, in all shops together",
}
_NEIGHBOURING = {
    Neighbouring.ADD_OR_REMOVE: "compared are all data with and without whoever is protected",
    Neighbouring.REPLACE: "compared are all data with one who is protected replaced by another",
}
_WEIGHTING = {
    Weighting.WHOLE: "each customer counts whole in each shop",
    Weighting.ONE_OVER_MOST: "each contribution is divided by the most shops that are allowed for",
    Weighting.ONE_OVER_SHOPS: "each contribution is divided by the number of shops the person shops in",
}
_NOISE = {
    NoisePlacement.ONCE_IN_SUM: "added in shares by the shops, inside a sum that nobody sees without it",
}
_PARTS = {"all": "all later purchases", "novel": "products new to the customer"}
_RANKINGS = {"ranker": "the shared model", "popularity": "popularity alone"}


def sections(charter: Charter, manifest: Manifest, audit: AuditResults | None) -> dict[str, Json]:
    """Return all that is said, as plain values that JSON can carry.

    Args:
        charter: the release was made under.
        manifest: of the release.
        audit: results of privacy audits of the code, where there are any.
    """
    return {
        "coop": {"id": charter.coop.id, "name": charter.coop.name, "created": charter.coop.created},
        "release": _release(manifest),
        "purposes": [
            {
                "purpose": purpose,
                "plain_words": Purpose(purpose).plain_words if purpose in set(Purpose) else purpose,
                "legal_basis": LEGAL_BASIS,
            }
            for purpose in charter.purposes
        ],
        "data_categories": _data_categories(charter),
        "privacy": _privacy(charter, manifest),
        "secure_sum": {
            "cohort_floor": charter.rounds.cohort_floor,
            "colluders": charter.rounds.colluders,
            "committee_size": charter.rounds.committee_size,
            "quorum": charter.rounds.quorum,
        },
        "quality": _quality(manifest.evaluation),
        "bias": _bias(charter, manifest.bias),
        "audit": None if audit is None else _audit(audit),
        "not_promised": list(_not_promised(charter, manifest)),
    }


def _release(manifest: Manifest) -> Json:
    return {
        "number": manifest.number,
        "sha256": manifest.sha256(),
        "previous_sha256": manifest.previous_sha256,
        "created": manifest.created,
        "programme_id": manifest.programme_id,
        "rounds": manifest.rounds,
        "fewest_stores_in_a_sum": manifest.participants,
        "model": manifest.rung,
        "model_sha256": manifest.model_sha256,
        "model_bytes": manifest.model_bytes,
        "charter_sha256": manifest.charter_sha256,
        "schema_sha256": manifest.schema_sha256,
        "roster_sha256": manifest.roster_sha256,
    }


def _data_categories(charter: Charter) -> Json:
    names = list(dict.fromkeys(phase.name for phase in charter.plan.phases))
    categories: list[Json] = [
        {"used_in": name, "of_a_customer": _OF_A_CUSTOMER.get(name, _OF_ANY_CUSTOMER)} for name in names
    ]
    for part in measured_parts(charter.plan):
        categories.append({"used_in": "bias", "of_a_customer": _GROUPS.get(part, part)})
    if charter.matching is not None:
        kind = charter.matching.identifier_kind
        categories.append(
            {"used_in": "matching", "of_a_customer": f"{kind}, blinded so that no other shop can read it"}
        )
    return categories


def _privacy(charter: Charter, manifest: Manifest) -> Json:
    terms, claims = charter.privacy, manifest.claims
    return {
        "unit": terms.privacy_unit.value,
        "unit_in_words": _UNITS.get(terms.privacy_unit, terms.privacy_unit.value),
        "neighbouring": terms.neighbouring.value,
        "neighbouring_in_words": _NEIGHBOURING[terms.neighbouring],
        "weighting": terms.weighting.value,
        "weighting_in_words": _WEIGHTING[terms.weighting],
        "noise": terms.noise.value,
        "noise_in_words": _NOISE.get(terms.noise, terms.noise.value),
        "promised": {
            "epsilon": float(terms.epsilon),
            "delta": float(terms.delta),
            "period_days": terms.period_days,
            "in_words": period_in_words(charter),
        },
        "cost_of_this_release": [_claim(claims.customer), _claim(claims.person)],
        "conditions": list(weights_in_words(charter)),
        "phases": [_phase(phase) for phase in charter.plan.phases],
    }


def _claim(claim: Claim) -> Json:
    return {
        "unit": claim.unit.value,
        "for_whom": claim.for_whom,
        "epsilon": float(claim.epsilon),
        "printed_epsilon": claim.printed_epsilon,
        "delta": float(claim.delta),
        "neighbouring": claim.neighbouring.value,
        "shops": claim.k,
        "weighting": claim.weighting.value,
        # Few digits: another computer's exponential must not make another statement of it.
        "right_guesses": math.ceil(guess_bound(claim.epsilon, delta=claim.delta) * 10_000) / 10_000,
    }


def _phase(phase: PhasePlan) -> Json:
    return {
        "index": phase.index,
        "name": phase.name,
        "numbers": phase.dimension,
        "clipping_norm": float(phase.clipping_norm),
        "noise_multiplier": float(phase.noise_multiplier),
        "sampling_rate": float(phase.sampling_rate),
    }


def _quality(figures: Mapping[str, float]) -> Json:
    """Return NDCG@10 of the model and of popularity, each with its interval, as far as it was measured."""
    found: list[Json] = []
    for part in PARTS:
        for ranking in RANKINGS:
            name = f"ndcg_at_10/{part}/{ranking}"
            if {name, f"{name}/low", f"{name}/high"} <= set(figures):
                found.append(
                    {
                        "products": _PARTS[part],
                        "ranked_by": _RANKINGS[ranking],
                        "value": figures[name],
                        "low": figures[f"{name}/low"],
                        "high": figures[f"{name}/high"],
                    }
                )
    return found


def _bias(charter: Charter, report: BiasReport | None) -> Json:
    limits = charter.bias_limits
    if report is None:
        return {
            "verdict": "not measured",
            "minimum_group": limits.minimum_group,
            "compared_with_release": None,
            "rules": [],
            "override": None,
        }
    rules = {rule.name: rule for rule in limits.rules}
    override = report.override
    verdict = "pass" if report.verdict.is_pass else "overridden"
    return {
        "verdict": verdict if report.verdict.findings else "not judged",
        "minimum_group": limits.minimum_group,
        "compared_with_release": None if report.previous is None else report.previous.number,
        "rules": [_rule(rules[each.rule], each) for each in report.verdict.findings],
        "override": None
        if override is None
        else {
            "created": override.created,
            "reason": override.reason,
            "rules": dict(override.rules),
            "people": [each.name for each in override.signatures],
        },
    }


def _rule(rule: BiasRule, finding: Finding) -> Json:
    return {
        "name": rule.name,
        "metric": rule.metric.value,
        "groups": rule.groups,
        "compared_with": rule.comparison.value,
        "direction": rule.direction.value,
        "limit": float(rule.limit),
        "outcome": finding.outcome.value,
        "cells": [_cell(cell) for cell in finding.cells],
        "withheld": list(finding.withheld),
    }


def _cell(cell: CellFinding) -> Json:
    return {
        "group": cell.cell,
        "outcome": cell.outcome.value,
        "value": float(cell.value),
        "low": float(cell.low),
        "high": float(cell.high),
    }


def _audit(audit: AuditResults) -> Json:
    plain: Json = {
        **{name: getattr(audit, name) for name in ("commit", "command", "finished_at", "file_sha256")},
        "delta": audit.delta,
        "confidence": audit.confidence,
        "bounds": [asdict(each) for each in audit.bounds],
        "readings": [asdict(each) for each in audit.readings],
    }
    return plain


def _not_promised(charter: Charter, manifest: Manifest) -> list[str]:
    terms = charter.rounds
    said = [
        "Epsilon bounds what can be learnt of one who is in the data beside one who is not. What is true of "
        "customers in general, such as which products are bought together, is learnt; that is the purpose.",
        f"It holds as long as at most {terms.colluders} of the members of a round work with the coordinator, "
        "and every member runs its own, unchanged software.",
        f"The figure for a person is for up to {manifest.claims.person.k} shops. Whoever shops in more of "
        "them has more.",
        "What was released cannot be called back: a withdrawal or an erasure counts from then on, and the "
        "figures above bound what the release goes on telling.",
        "That the model is right: a member that sends wrong sums of its own can make it worse.",
        "Encryption of a shop's computer: files are private to their owner, and no more than that.",
        "Suggestions that a shop makes are its own model's, trained further on its own customers; this "
        "statement is about the shared part.",
    ]
    if charter.matching is not None:
        said.append(
            "Private matching adds to delta as said under the conditions; it is not in the delta above."
        )
    if manifest.bias is None:
        said.append("Fairness: no bias measured. The charter measures none, and nothing about it was judged.")
    elif not manifest.bias.verdict.findings:
        said.append("Fairness: the charter has no rules on bias, and nothing about it was judged.")
    else:
        said += [
            "Fairness beyond the rules: figures are of customers who agreed to the co-op's learning, in "
            "groups that shops know of. Whoever did not agree, or does not come, is in none of them.",
            "Anything about a group that was withheld.",
        ]
    said.append(
        "That no shop is served worse than by its own model alone: differences between shops are not "
        "measured, because no figure of one shop may be seen. Each shop finds its own, and serves less of "
        "the shared model then: highstreet store status, highstreet store evaluate."
    )
    return said
