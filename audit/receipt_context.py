"""The vocabulary of receipts: DPV's terms for our purposes, acts and states, and the JSON-LD context.

W3C Data Privacy Vocabulary (DPV) 2.3 and its guide to ISO/IEC TS 27560:2023, "Consent Records and
Receipts". The context is part of every receipt, so a JSON-LD processor needs no network to read one; a
receipt with another context is refused, since a context decides what the rest means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from highstreet.audit.consent import Act, Purpose

__all__ = [
    "PROCESSES",
    "RECEIPT_CONTEXT",
    "RECEIPT_SCHEMA",
    "RECORD_SCHEMA",
    "RIGHTS",
    "STATES",
    "STATUS_OF",
    "Process",
]

RECEIPT_SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#receipt"
RECORD_SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#record"

_NAMES = (
    "dct:conformsTo",
    "dct:publisher",
    "dpv:hasConsentControl",
    "dpv:hasConsentStatus",
    "dpv:hasDataController",
    "dpv:hasDataSubject",
    "dpv:hasLegalBasis",
    "dpv:hasNotice",
    "dpv:hasPersonalData",
    "dpv:hasProcess",
    "dpv:hasPurpose",
    "dpv:hasRecipient",
    "dpv:hasRecordOfActivity",
    "dpv:hasRight",
    "dpv:hasStatus",
    "dpv:isIndicatedBy",
    "hs:hasStanding",
    "schema:recipient",
    "skos:broader",
)
_MOMENTS = ("dct:created", "dct:valid", "dpv:isIndicatedAtTime")

#: Prefixes of the vocabularies, which terms are names and which are moments. Ours is `hs`.
RECEIPT_CONTEXT: Mapping[str, object] = {
    "@version": 1.1,
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "hs": "urn:highstreet:consent:",
    "pd": "https://w3id.org/dpv/pd#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    **{name: {"@type": "@id"} for name in _NAMES},
    **{name: {"@type": "xsd:dateTime"} for name in _MOMENTS},
}

#: An act as a state of consent. A yes that the shop ended itself, to ask again, is "revoked by an entity
#: other than the data subject". DPV has no state for an objection: a refusal, with the right to object.
STATUS_OF: Mapping[Act, str] = {
    Act.ASKED: "dpv:ConsentRequested",
    Act.GIVEN: "dpv:ConsentGiven",
    Act.REFUSED: "dpv:ConsentRefused",
    Act.WITHDRAWN: "dpv:ConsentWithdrawn",
    Act.EXPIRED: "dpv:ConsentExpired",
    Act.RECONSENT_NEEDED: "dpv:ConsentRevoked",
    Act.OBJECTED: "dpv:ConsentRefused",
}

#: Where somebody can stand, by the consent desk's word for it.
STATES: Mapping[str, str] = {
    "granted": "dpv:ConsentGiven",
    "refused": "dpv:ConsentRefused",
    "withdrawn": "dpv:ConsentWithdrawn",
    "objected": "dpv:ConsentRefused",
    "expired": "dpv:ConsentExpired",
    "reconsent_needed": "dpv:ConsentRevoked",
    "asked": "dpv:ConsentRequested",
    "not_asked": "dpv:ConsentUnknown",
}

#: To withdraw, access, correct, erase, restrict, take along, object, and complain to an authority.
RIGHTS = tuple(f"eu-gdpr:{each}" for each in ("A7-3", "A15", "A16", "A17", "A18", "A20", "A21", "A77"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What a yes to one purpose allows.

    Attributes:
        broader: DPV's purpose that ours is a kind of.
        personal_data: DPV's categories of what is used.
        recipients: who gets something of it besides the shop; empty for nobody.
        legal_basis: of the GDPR.
    """

    broader: str
    personal_data: tuple[str, ...]
    recipients: str = ""
    legal_basis: str = "eu-gdpr:A6-1-a"


_PURCHASES = ("pd:PurchasesAndSpendingHabit",)

PROCESSES: Mapping[str, Process] = {
    Purpose.SUGGESTIONS_HERE.value: Process(
        broader="dpv:ProvidePersonalisedRecommendations", personal_data=_PURCHASES
    ),
    Purpose.SHOP_MODEL.value: Process(
        broader="dpv:ImproveExistingProductsAndServices", personal_data=_PURCHASES
    ),
    Purpose.COOP_LEARNING.value: Process(
        broader="dpv:ImproveExistingProductsAndServices",
        personal_data=_PURCHASES,
        recipients="the shops of the co-op and its coordinator: only sums over several shops, with noise"
        " in which no single customer can be seen",
    ),
    Purpose.EMAIL_MARKETING.value: Process(broader="dpv:DirectMarketing", personal_data=("pd:EmailAddress",)),
    Purpose.MATCHING.value: Process(
        broader="dpv:CustomerManagement",
        personal_data=("pd:EmailAddress", "pd:Identifying"),
        recipients="the shops of the co-op and its coordinator: only blinded values from which nobody"
        " can read who it is",
    ),
    "sensitive_categories": Process(
        broader="dpv:ServicePersonalisation",
        personal_data=("pd:PurchasesAndSpendingHabit", "dpv:SpecialCategoryPersonalData"),
        legal_basis="eu-gdpr:A9-2-a",
    ),
}
