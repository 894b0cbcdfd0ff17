"""Suggestions for one customer, with true reasons and how sure the shop can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.consent import Channel, ConsentState, Purpose
from highstreet.client.config import read_config
from highstreet.client.consent import ConsentDesk
from highstreet.client.consented_cohort import ConsentedCohort, sensitive_granted
from highstreet.client.home import StoreHome
from highstreet.client.membership import is_joined
from highstreet.client.personal_model import KeptModel, current_model, serving_day
from highstreet.client.shop_loader import day_number, load_products, load_shop, special_products
from highstreet.client.shop_totals import best_sellers
from highstreet.client.vault import Vault
from highstreet.models.reranking import Reranking
from highstreet.models.serving import MINIMUM_PEOPLE, ReasonCode, Suggestion, recommend
from highstreet.models.shop import ShopData

__all__ = ["Certainty", "Policy", "Suggested", "SuggestionList", "suggest"]

_POPULAR_DAYS = 90
#: Below this many purchases a customer's taste is not known.
_FEW_PURCHASES = 10
_NOT_AGREED = "This customer {said} personal suggestions{where}: these are the shop's best-sellers."
_SET_APART = "This customer's data is used for nothing (a minor, or restricted): these are best-sellers."
_UNASKED = "was not asked about"
_OFTEN, _RECENT_DAYS = 3, 60


class Policy(StrEnum):
    """How a list was made."""

    PERSONALISED = "personalised"
    POPULAR = "popular"


class Certainty(StrEnum):
    """How sure the shop can be that the customer wants the product.

    Sure: bought at least three times, the last within sixty days. Fairly sure: bought before, or like what a
    customer of at least ten purchases buys. Just a guess: everything else.
    """

    SURE = "sure"
    FAIRLY_SURE = "fairly sure"
    A_GUESS = "just a guess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """One suggested product, as it is shown."""

    product_id: str
    title: str
    reason_code: str
    reason: str
    certainty: Certainty
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionList:
    """A list and how it came about.

    Attributes:
        policy: personalised, or popular for everybody.
        release: number of the co-op's release behind it, 0 for none.
        notes: sentences an owner should know beside the list.
        items: best first.
    """

    policy: Policy
    release: int
    notes: tuple[str, ...]
    items: tuple[Suggested, ...]

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "policy": self.policy.value,
            "release": self.release,
            "notes": list(self.notes),
            "items": [
                {
                    "product_id": item.product_id,
                    "title": item.title,
                    "reason_code": item.reason_code,
                    "reason": item.reason,
                    "how_sure": item.certainty.value,
                    "score": round(item.score, 6),
                }
                for item in self.items
            ],
        }


def suggest(
    home: StoreHome,
    customer_id: str,
    *,
    k: int,
    novel_only: bool = False,
    channel: Channel = Channel.EVERYWHERE,
) -> SuggestionList:
    """Suggest products to one customer: personally if they agreed to it, else the shop's best-sellers.

    Args:
        home: the store's folder.
        customer_id: the shop's own number for them.
        k: how many products.
        novel_only: only what they never bought here.
        channel: where the list is shown; a yes for one channel is none for another, nor for everywhere.

    Raises:
        UnknownCustomerError: no such customer.
        InconsistentConsentLogError: consent cannot be relied on; nothing is shown.
    """
    with Vault.open(home.vault) as vault:
        customer = vault.customer_key(customer_id)
        desk = ConsentDesk(vault)
        state = desk.state(customer, Purpose.SUGGESTIONS_HERE, channel)
        if state is not ConsentState.GRANTED:
            said = (
                "said no to" if state.is_no else "is to be asked again about" if state.is_lapsed else _UNASKED
            )
            return _popular(vault, k, _not_agreed(said, channel))
        kept = current_model(home, vault)
        if kept is None:
            return _popular(
                vault,
                k,
                "No customer agreed to train this shop's model, or answers changed while it was trained:"
                " these are its best-sellers.",
            )
        cohort = desk.cohort(Purpose.SUGGESTIONS_HERE, channel=channel)
        return _personal(
            home, vault, kept, customer, cohort=cohort, channel=channel, k=k, novel_only=novel_only
        )


def _not_agreed(said: str, channel: Channel) -> str:
    where = "" if channel is Channel.EVERYWHERE else f" on the channel {channel}"
    return _NOT_AGREED.format(said=said, where=where)


def _personal(
    home: StoreHome,
    vault: Vault,
    kept: KeptModel,
    customer: int,
    *,
    cohort: ConsentedCohort,
    channel: Channel,
    k: int,
    novel_only: bool,
) -> SuggestionList:
    shop = load_shop(
        vault,
        cohort,
        kept.model.schema,
        serving_day(vault),
        purpose=Purpose.SUGGESTIONS_HERE,
        channel=channel,
        only=frozenset({customer}),
    )
    if not shop.customer_ids:  # withdrawn while the model was made ready, or excluded whatever they said
        set_apart = bool(ConsentDesk(vault).exclusions(customer))
        return _popular(vault, k, _SET_APART if set_apart else _not_agreed("said no to", channel))
    hidden = _hidden(vault, cohort, channel, customer)
    titles = _titles(vault)
    purchases = len(shop.purchases)
    reranking = read_config(home).suggestions.to_reranking()
    items = tuple(
        _shown(item, shop, titles, purchases)
        for item in recommend(
            kept.model, shop, 0, k + len(hidden), novel_only=novel_only, reranking=reranking
        )
        if shop.catalogue.product_ids[item.item] not in hidden
    )[:k]
    return SuggestionList(
        policy=Policy.PERSONALISED,
        release=kept.release,
        notes=_notes(home, kept, purchases, reranking),
        items=items,
    )


def _hidden(vault: Vault, cohort: ConsentedCohort, channel: Channel, customer: int) -> frozenset[str]:
    """Return the products that are not suggested to a customer, who did not agree to that kind."""
    with vault.read() as connection:
        agreed = customer in sensitive_granted(
            cohort, vault, connection, Purpose.SUGGESTIONS_HERE, channel=channel
        )
    return frozenset() if agreed else special_products(vault)


def _notes(home: StoreHome, kept: KeptModel, purchases: int, reranking: Reranking) -> tuple[str, ...]:
    notes = []
    if not is_joined(home):
        notes.append("This shop is in no co-op: learnt from its own customers only.")
    elif not kept.release:
        notes.append("The co-op has released nothing yet: learnt from this shop's own customers only.")
    if reranking.is_on:
        notes.append("The list is re-ranked as [suggestions] in store.toml says.")
    if purchases == 0:
        notes.append("This customer has bought nothing yet that is on the list of products.")
    return tuple(notes)


def _popular(vault: Vault, k: int, note: str) -> SuggestionList:
    """The products most customers bought lately: a total over everybody."""
    since = day_number(serving_day(vault)) - _POPULAR_DAYS
    hidden = special_products(vault)
    sold = best_sellers(vault, ConsentDesk(vault).totals(), since_day=since)
    found = [each for each in sold if each.product_id not in hidden]
    items = tuple(
        Suggested(
            product_id=product_id,
            title=title or product_id,
            reason_code=ReasonCode.POPULAR_HERE.value,
            reason=_popular_words(people),
            certainty=Certainty.A_GUESS,
            score=float(people),
        )
        for product_id, title, people in found[:k]
    )
    return SuggestionList(policy=Policy.POPULAR, release=0, notes=(note,), items=items)


def _popular_words(people: int) -> str:
    return f"popular here: {people} customers" if people >= MINIMUM_PEOPLE else "popular here"


def _titles(vault: Vault) -> Mapping[str, str]:
    with vault.read() as connection:
        _, products = load_products(connection)
    return {product.product_id: product.title or product.product_id for product in products}


def _shown(item: Suggestion, shop: ShopData, titles: Mapping[str, str], purchases: int) -> Suggested:
    product_id = shop.catalogue.product_ids[item.item]
    because = item.evidence.get("because_of")
    other = titles[shop.catalogue.product_ids[because]] if because is not None else ""
    return Suggested(
        product_id=product_id,
        title=titles[product_id],
        reason_code=item.reason_code.value,
        reason=_reason(item, other),
        certainty=_certainty(item, purchases),
        score=item.score,
    )


def _reason(item: Suggestion, other: str) -> str:
    """The true main reason in an owner's words."""
    code, evidence = item.reason_code, item.evidence
    if code is ReasonCode.BOUGHT_BEFORE:
        times, days = evidence.get("times", 1), evidence.get("days_since", 0)
        when = f"{days} day{'' if days == 1 else 's'} ago"
        return f"bought {times} times, last {when}" if times > 1 else f"bought once, {when}"
    return {
        ReasonCode.GOES_WITH: f"goes with {other}, which they buy",
        ReasonCode.LIKES_CATEGORY: f"like {other}, which they buy",
        ReasonCode.LIKES_BRAND: f"same maker as {other}, which they buy",
        ReasonCode.POPULAR_HERE: _popular_words(evidence.get("people", 0)),
        ReasonCode.POPULAR_IN_COOP: "popular in the co-op's shops",
        ReasonCode.FITS_TASTE: "fits what they usually buy",
    }[code]


def _certainty(item: Suggestion, purchases: int) -> Certainty:
    evidence = item.evidence
    if item.reason_code is ReasonCode.BOUGHT_BEFORE:
        often = evidence.get("times", 0) >= _OFTEN and evidence.get("days_since", 10**6) <= _RECENT_DAYS
        return Certainty.SURE if often else Certainty.FAIRLY_SURE
    personal = item.reason_code not in {ReasonCode.POPULAR_HERE, ReasonCode.POPULAR_IN_COOP}
    return Certainty.FAIRLY_SURE if personal and purchases >= _FEW_PURCHASES else Certainty.A_GUESS
