"""A shop's records of processing (GDPR, Article 30), from its settings, its charter and what is on disk."""

from __future__ import annotations

from datetime import UTC, datetime

from highstreet.audit.charter import Charter
from highstreet.audit.consent import Purpose
from highstreet.audit.processing_records import Activity, Blank, Entry, ProcessingRecords
from highstreet.client.config import ConsentConfig, ShopConfig, StoreConfig, read_config
from highstreet.client.consent import ConsentDesk
from highstreet.client.home import StoreHome
from highstreet.client.inventory import PLACES, Content
from highstreet.client.membership import is_joined, load_charter
from highstreet.client.rights_files import KEPT_DAYS
from highstreet.client.security_measures import measures_of
from highstreet.client.vault import Vault

__all__ = ["gather_records"]

_CUSTOMERS: tuple[Entry, ...] = ("customers of the shop who are known by a number or an address",)
_NOBODY: tuple[Entry, ...] = ("nobody outside the shop, by Highstreet",)
_NO_TRANSFERS: tuple[Entry, ...] = ("none by Highstreet: all of it is done on this computer",)
_CONSENT = "consent (GDPR, Article 6(1)(a))"
_EXPLICIT = "explicit consent (GDPR, Article 9(2)(a))"
_PURCHASES = "what was bought, when, how much of it and at what price"
_UNTIL_ERASED = "used until the consent is taken back, runs out or is objected to; then no more"
#: When what is kept no longer is removed.
_LOOKED_AT = (
    "by the next look at it: once a day while `highstreet store run` runs, and by `highstreet store consent "
    "tidy`"
)
#: Purposes whose data reach the co-op.
_OF_A_COOP = (Purpose.COOP_LEARNING, Purpose.MATCHING)
_REACHING_A_COOP = (*_OF_A_COOP, Purpose.SENSITIVE_CATEGORIES)


def gather_records(home: StoreHome, *, now: datetime) -> ProcessingRecords:
    """Gather the records as things stand now; no data of a customer, and no count of them, is in it.

    Raises:
        StoreConfigError: store.toml, or the charter, cannot be used.
        VaultError: the shop's data cannot be opened.
    """
    config = read_config(home)
    charter = load_charter(home) if is_joined(home) else None
    with Vault.open(home.vault) as vault:
        desk = ConsentDesk(vault)
        measures = measures_of(home, desk, config, charter, now=now)
    return ProcessingRecords(
        made_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        whose=config.shop.name.strip() or "a shop",
        controller=_controller(config.shop, charter),
        activities=(
            _keeping(),
            _totals(),
            *(_of_purpose(purpose, config, charter) for purpose in Purpose if _is_on(purpose, charter)),
            _consents(config.consent),
            _rights(config),
        ),
        measures=measures,
    )


def _controller(shop: ShopConfig, charter: Charter | None) -> dict[str, Entry]:
    joint: Entry = "none by Highstreet: the shop is in no co-op"
    if charter is not None:
        joint = Blank(
            f"whether the shops of {charter.coop.name} and its coordinator are joint controllers (Article 26)"
        )
    return {
        "name": shop.name.strip() or Blank("the shop's name ([shop] in store.toml)"),
        "contact": shop.contact.strip() or Blank("the shop's contact details ([shop] in store.toml)"),
        "country": shop.country or Blank("the shop's country ([shop] in store.toml)"),
        "joint_controllers": joint,
        "representative": Blank("a representative in the Union, if one is needed (Article 27)"),
        "data_protection_officer": Blank("a data protection officer, if there is one (Article 37)"),
    }


def _is_on(purpose: Purpose, charter: Charter | None) -> bool:
    """Say whether data can be used for a purpose here, somebody's yes permitting."""
    return purpose not in _OF_A_COOP or (charter is not None and purpose in charter.purposes)


def _keeping() -> Activity:
    holds = [
        place.holds
        for place in PLACES
        if place.content is Content.PERSONAL and place.where.startswith("vault.db:")
    ]
    return Activity(
        name="Keeping customers and their orders",
        purposes=(Blank("what orders and customers are kept for, beside what is below"),),
        ground=(Blank("the ground for keeping them (a contract, a duty of the law)"),),
        data_subjects=_CUSTOMERS,
        data_categories=tuple(holds),
        recipients=_NOBODY,
        transfers=_NO_TRANSFERS,
        retention=(Blank("how long orders are kept; Highstreet keeps them until they are erased"),),
    )


def _totals() -> Activity:
    return Activity(
        name="Lists of what sells",
        purposes=("to show products by how many customers bought them",),
        ground=(Blank("the ground for counting customers (a legitimate interest, Article 6(1)(f))"),),
        data_subjects=("customers; whoever objected, minors and whoever is restricted left out",),
        data_categories=(_PURCHASES,),
        recipients=_NOBODY,
        transfers=_NO_TRANSFERS,
        retention=("counted anew each time; nothing is kept",),
    )


def _of_purpose(purpose: Purpose, config: StoreConfig, charter: Charter | None) -> Activity:
    days = config.consent.valid_days
    lasts = f"a yes counts for {days:,} days at most" if days else "a yes counts until it is taken back"
    is_sensitive = purpose is Purpose.SENSITIVE_CATEGORIES
    return Activity(
        name=f"{purpose.plain_words[0].upper()}{purpose.plain_words[1:]}",
        purposes=(f"{purpose.plain_words} ({purpose.value})",),
        ground=(_EXPLICIT if is_sensitive else _CONSENT,),
        data_subjects=("customers who said yes to it, minors and whoever is restricted left out",),
        data_categories=_categories(purpose, charter),
        recipients=_recipients(purpose, charter),
        transfers=_transfers(purpose, charter),
        retention=(lasts, _UNTIL_ERASED),
    )


def _categories(purpose: Purpose, charter: Charter | None) -> tuple[Entry, ...]:
    if purpose is Purpose.EMAIL_MARKETING:
        return ("the answer alone: Highstreet sends no e-mail",)
    if purpose is Purpose.MATCHING and charter is not None and charter.matching is not None:
        return (f"{charter.matching.identifier_kind}, blinded before it leaves",)
    if purpose is Purpose.SENSITIVE_CATEGORIES:
        return ("purchases of products that the shop lists as of health, baby, adult or religion",)
    return (_PURCHASES,)


def _recipients(purpose: Purpose, charter: Charter | None) -> tuple[Entry, ...]:
    if purpose is Purpose.EMAIL_MARKETING:
        return (Blank("who sends the shop's e-mails"),)
    if charter is None:
        return _NOBODY
    name = charter.coop.name
    if purpose is Purpose.SENSITIVE_CATEGORIES and Purpose.COOP_LEARNING in charter.purposes:
        return (f"of who said yes to learning with {name} as well: as there, in the same sums",)
    if purpose not in _OF_A_COOP:
        return _NOBODY
    if purpose is Purpose.MATCHING:
        return (f"member shops of {name}: lists of blinded identifiers that none of them can read",)
    return (
        f"the coordinator and the members of {name}: sums over at least {charter.rounds.cohort_floor} shops "
        "with noise in them, no row of a customer and no sum of this shop alone",
    )


def _transfers(purpose: Purpose, charter: Charter | None) -> tuple[Entry, ...]:
    if charter is not None and purpose in _REACHING_A_COOP:
        return (Blank("whether the coordinator or a member of the co-op is outside the EEA"),)
    if purpose is Purpose.EMAIL_MARKETING:
        return (Blank("whether who sends the shop's e-mails is outside the EEA"),)
    return _NO_TRANSFERS


def _consents(terms: ConsentConfig) -> Activity:
    kept = (
        f"emptied {terms.keep_days:,} days after a customer without a yes that counts last said anything, "
        f"{_LOOKED_AT}; an objection that stands is kept until they are erased"
        if terms.keep_days
        else "kept until the customer is erased"
    )
    return Activity(
        name="Records of consent",
        purposes=("to be able to show who agreed to what, when and how",),
        ground=("a duty of the law (GDPR, Articles 5(2), 6(1)(c) and 7(1))",),
        data_subjects=("customers who were asked or who answered",),
        data_categories=("purpose, channel, answer, moment, how and where it came, the notice shown",),
        recipients=("each customer: their own receipt",),
        transfers=_NO_TRANSFERS,
        retention=(kept,),
    )


def _rights(config: StoreConfig) -> Activity:
    days = config.rights.backup_days
    digest = (
        f"a keyed digest of whoever was erased is kept for {days:,} days, while backups may be around, and "
        f"removed {_LOOKED_AT}"
        if days
        else "of whoever was erased nothing is kept"
    )
    return Activity(
        name="Customers' requests",
        purposes=("to answer requests under Articles 15 to 21, and to show that they were answered",),
        ground=("a duty of the law (GDPR, Articles 6(1)(c) and 12)",),
        data_subjects=("customers who asked for something",),
        data_categories=("what was asked for and when; a copy of the customer's data for them",),
        recipients=("the customer who asked",),
        transfers=_NO_TRANSFERS,
        retention=(
            f"copies that were made for a customer are kept for {KEPT_DAYS} days, and removed {_LOOKED_AT}",
            digest,
        ),
    )
