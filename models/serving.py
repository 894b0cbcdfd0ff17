"""Suggestions from a personal model: scores, ranked products and true reasons; no torch in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from highstreet.models.calibration_of_lists import category_shares
from highstreet.models.errors import InvalidPersonalModelError
from highstreet.models.exposure import small_suppliers
from highstreet.models.features import FEATURES, FeatureSpace
from highstreet.models.history import Histories, Timeline
from highstreet.models.personal import Expert, PersonalModel
from highstreet.models.reranking import Reranking, calibrated_lists, lists_with_share
from highstreet.models.shop import ShopData
from highstreet.models.shop_view import SHOP_FEATURES, shop_features

__all__ = ["MINIMUM_PEOPLE", "PersonalModel", "ReasonCode", "Recommender", "Suggestion", "recommend"]

FloatArray = NDArray[np.float32]

#: No reason speaks of what other customers of the shop do unless at least this many did it.
MINIMUM_PEOPLE = 20
_CHUNK = 32


class ReasonCode(StrEnum):
    """Why a product is suggested: the part of the score that lifted it most over the average product."""

    BOUGHT_BEFORE = "bought_before"
    GOES_WITH = "goes_with"
    LIKES_CATEGORY = "likes_category"
    LIKES_BRAND = "likes_brand"
    POPULAR_HERE = "popular_here"
    POPULAR_IN_COOP = "popular_in_coop"
    FITS_TASTE = "fits_taste"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One suggested product.

    Attributes:
        item: catalogue row.
        score: higher is better; comparable within one list only.
        reason_code: the true main reason.
        evidence: numbers behind the reason: `times` and `days_since` for BOUGHT_BEFORE; `because_of`, a
            catalogue row the customer bought, for GOES_WITH, LIKES_CATEGORY and LIKES_BRAND; `people` for
            POPULAR_HERE.
    """

    item: int
    score: float
    reason_code: ReasonCode
    evidence: Mapping[str, int] = field(default_factory=dict)


class Recommender:
    """A personal model made ready for one shop's data; build it once, ask it often."""

    def __init__(self, model: PersonalModel, shop: ShopData) -> None:
        if model.products != len(shop.catalogue):
            raise InvalidPersonalModelError(
                "The personal model was fitted for another catalogue.", next_step="Train it again."
            )
        self.model = model
        self.shop = shop
        self._timeline = Timeline(shop)
        self._experts = [
            (expert, FeatureSpace(model.schema, model.settings, expert.statistics, shop.catalogue))
            for expert in (model.coop, model.alone)
            if expert.is_served
        ]

    def scores(self, rows: NDArray[np.integer]) -> FloatArray:
        """Return (b, n) scores of all products for these customer rows."""
        wanted = np.asarray(rows, dtype=np.int64)
        parts = [self._scores(self._past(wanted[i : i + _CHUNK])) for i in range(0, len(wanted), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, self.model.products), dtype=np.float32)

    def recommend(
        self, customer_row: int, k: int, *, novel_only: bool = False, reranking: Reranking | None = None
    ) -> list[Suggestion]:
        """Return the k best products for a customer, best first, each with its reason.

        Args:
            customer_row: row in `shop.customer_ids`; a customer without purchases gets popular products.
            k: at most this many; fewer when the catalogue is smaller.
            novel_only: leave out what the customer bought before.
            reranking: what the shop asks of its lists beside the scores; None for nothing.
        """
        past = self._past(np.array([customer_row]))
        scores = self._scores(past)[0]
        if novel_only:
            scores = np.where(past.bought[0], -np.inf, scores)
        count = min(k, int(np.isfinite(scores).sum()))
        if count <= 0:
            return []
        if reranking is not None and reranking.is_on:
            best = self._reranked(past, scores[None, :], count, reranking)
        else:
            best = np.argpartition(-scores, count - 1)[:count]
            best = best[np.argsort(-scores[best], kind="stable")]
        contributions = self._contributions(past, best)
        return [
            self._suggestion(past, int(item), float(scores[item]), contributions[place])
            for place, item in enumerate(best)
        ]

    def _reranked(
        self, past: Histories, scores: FloatArray, count: int, reranking: Reranking
    ) -> NDArray[np.int64]:
        """Return one customer's list, re-ranked; small suppliers are those of the released statistics."""
        view = self._experts[0][1].view
        if reranking.small_suppliers:
            chosen = small_suppliers(view)
            lists = lists_with_share(scores, chosen, k=count, share=reranking.small_suppliers)
            return np.asarray(lists[0])
        categories = np.where(view.given["category"], view.buckets["category"], -1)
        wanted = category_shares(past.count, categories, n=1 + int(categories.max(initial=-1)))
        lists = calibrated_lists(scores, wanted, categories, k=count, strength=reranking.calibration)
        return np.asarray(lists[0])

    def _past(self, rows: NDArray[np.int64]) -> Histories:
        lives = tuple(
            sorted(
                {life for _, space in self._experts for life in space.half_lives}
                | {self.model.settings.repeat_half_life_days}
            )
        )
        return self._timeline.before(self.shop.as_of, rows, lives)

    def _scores(self, past: Histories) -> FloatArray:
        everything = np.broadcast_to(np.arange(self.model.products), past.count.shape)
        places = np.zeros(past.count.shape, dtype=np.float32)
        order = np.zeros_like(places)
        for expert, space in self._experts:
            scores = self._features(space, past, everything) @ expert.weights.astype(np.float32)
            places += np.float32(expert.place_share) * scores
            order += np.float32(expert.order_share) * scores
        repeats = _handed_out(places, self._repeat_order(places, past), past.bought)
        return _handed_out(repeats, order, ~past.bought)

    def _repeat_order(self, scores: FloatArray, past: Histories) -> FloatArray:
        """Score and repeat rule together; they order what a customer bought before.

        The rule is the log of how often over a long time, and something extra for what was last bought within
        the last few weeks. It says nothing about products new to the customer.
        """
        settings = self.model.settings
        often = np.log(np.maximum(past.profile(settings.repeat_half_life_days), 1e-3))
        lately = np.exp2(-past.gap / np.float32(settings.lately_half_life_days))
        rule = np.float32(settings.repeat_weight) * often + np.float32(settings.lately_weight) * lately
        return np.asarray(scores + rule, dtype=np.float32)

    def _features(self, space: FeatureSpace, past: Histories, candidates: NDArray[np.integer]) -> FloatArray:
        settings = self.model.settings
        own = shop_features(
            self.model.view,
            space.view,
            past,
            candidates,
            half_life_days=settings.half_life_days,
            prior_customers=settings.shop_prior_customers,
        )
        return np.concatenate([space.snapshot(past).features(candidates), own], axis=-1)

    def _contributions(self, past: Histories, items: NDArray[np.integer]) -> list[dict[str, float]]:
        """Per product: what each feature adds to its score, over what it adds to the average product."""
        everything = np.arange(self.model.products)[None, :]
        parts = [
            _weighted(expert, self._features(space, past, everything)[0]) for expert, space in self._experts
        ]
        total = np.sum(parts, axis=0)
        # Features of the other head are zero by construction, so averages are taken over novel products.
        novel = ~past.bought[0]
        baseline = total[novel].mean(axis=0) if novel.any() else np.zeros(total.shape[1])
        return [dict(zip(_NAMES, (total[item] - baseline).tolist(), strict=True)) for item in items]

    def _suggestion(self, past: Histories, item: int, score: float, parts: dict[str, float]) -> Suggestion:
        code, evidence = self._reason(past, item, parts)
        return Suggestion(item=item, score=score, reason_code=code, evidence=evidence)

    def _reason(
        self, past: Histories, item: int, parts: dict[str, float]
    ) -> tuple[ReasonCode, dict[str, int]]:
        if past.bought[0, item]:
            return ReasonCode.BOUGHT_BEFORE, {
                "times": int(past.count[0, item]),
                "days_since": int(past.gap[0, item]),
            }
        grouped = {code: sum(parts[name] for name in names) for code, names in _GROUPS.items()}
        for code in sorted(grouped, key=lambda code: -grouped[code]):
            if grouped[code] <= 0:
                break
            evidence = self._evidence(code, past, item)
            if evidence is not None:
                return code, evidence
        return ReasonCode.FITS_TASTE, {}

    def _evidence(self, code: ReasonCode, past: Histories, item: int) -> dict[str, int] | None:
        """Return the evidence for a reason, or None when it may not be claimed."""
        catalogue = self.shop.catalogue
        if code is ReasonCode.POPULAR_HERE:
            people = int(self.model.view.people[item])
            return {"people": people} if people >= MINIMUM_PEOPLE else None
        if code is ReasonCode.POPULAR_IN_COOP:
            return {} if self.model.coop.order_share > 0 else None
        if code is ReasonCode.LIKES_CATEGORY:
            same = (catalogue.product_type == catalogue.product_type[item]) & (catalogue.product_type > 0)
            same |= (catalogue.category == catalogue.category[item]) & (catalogue.category > 0)
        elif code is ReasonCode.LIKES_BRAND:
            same = (catalogue.maker == catalogue.maker[item]) & (catalogue.maker > 0)
            same |= (catalogue.brand == catalogue.brand[item]) & (catalogue.brand > 0)
        else:
            same = self._companions(past, item)
        bought = np.flatnonzero(same & past.bought[0])
        if not len(bought):
            return None
        return {"because_of": int(bought[np.argmax(past.count[0, bought])])}

    def _companions(self, past: Histories, item: int) -> NDArray[np.bool_]:
        """The bought product whose released co-occurrence weight towards the item is positive and largest."""
        found = np.zeros(self.model.products, dtype=bool)
        for expert, space in self._experts:
            view = space.view
            if expert.statistics is not self.model.coop.statistics or not view.weights.size:
                continue
            target, tokens = view.token_of["key"][item], view.token_of["key"]
            if target < 0:
                continue
            pull = np.where(tokens >= 0, view.weights[np.maximum(tokens, 0), target], 0.0) * past.bought[0]
            if pull.max() > 0:
                found[int(np.argmax(pull))] = True
        return found


def recommend(
    model: PersonalModel,
    shop: ShopData,
    customer_row: int,
    k: int,
    *,
    novel_only: bool = False,
    reranking: Reranking | None = None,
) -> list[Suggestion]:
    """Return the k best products for one customer; for many requests keep a Recommender."""
    return Recommender(model, shop).recommend(customer_row, k, novel_only=novel_only, reranking=reranking)


def _handed_out(scores: FloatArray, order: FloatArray, chosen: NDArray[np.bool_]) -> FloatArray:
    """Hand out the scores of the chosen products anew, the highest to the first in another order.

    The places these products have among all products stay the same; which of them has which changes.

    Args:
        scores: (b, n).
        order: (b, n); higher comes first.
        chosen: (b, n).
    """
    handed = scores.copy()
    for row, mask in enumerate(chosen):
        items = np.flatnonzero(mask)
        best_first = items[np.argsort(-order[row, items], kind="stable")]
        handed[row, best_first] = -np.sort(-scores[row, items])
    return handed


def _weighted(expert: Expert, features: FloatArray) -> NDArray[np.float64]:
    """Return what each feature adds to the order among products new to a customer."""
    return np.asarray(expert.order_share * features * expert.weights)


_NAMES = (*FEATURES, *SHOP_FEATURES)
_GROUPS: dict[ReasonCode, tuple[str, ...]] = {
    ReasonCode.GOES_WITH: ("novel/together", "novel/together_type", "novel/together_category"),
    ReasonCode.LIKES_CATEGORY: (
        "novel/category",
        "novel/product_type",
        "novel/in_category",
        "novel/in_product_type",
    ),
    ReasonCode.LIKES_BRAND: ("novel/brand", "novel/maker"),
    ReasonCode.POPULAR_HERE: ("novel/shop", "novel/unsold"),
    ReasonCode.POPULAR_IN_COOP: ("novel/popularity",),
    ReasonCode.FITS_TASTE: ("novel/size", "novel/price_band", "novel/same_key", "novel/near"),
}
