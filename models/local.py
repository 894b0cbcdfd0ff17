"""Local training: a shop goes on from the release on its own customers, without noise; nothing of it leaves.

Two experts are fitted by the same code. The *co-op* expert computes its features from released statistics and
starts from the released weights, held to them as strongly as the release is worth: its error variance, known
from its noise, is added to the variance between shops. The *alone* expert computes them from the shop's own
statistics and starts from the public initial weights.

Two questions are answered apart. How many of the first places go to products new to a customer is mostly the
shop's own affair, and a co-op that knows its new products well tends to push them too far up. Which new
products these are is what the co-op knows best. How much of each expert is served in either is decided on the
shop's own last weeks, so that a release that is mostly noise loses its say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from highstreet.models.examples import Examples, window_examples
from highstreet.models.features import FEATURES, INITIAL_WEIGHTS, FeatureSpace
from highstreet.models.history import Timeline
from highstreet.models.listwise import WeightPrior, fit_map, losses_of_scores
from highstreet.models.personal import Expert, PersonalModel, Trial
from highstreet.models.plan import ModelPlan
from highstreet.models.popularity import apply_popularity, popularity_rows
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import ShopData
from highstreet.models.shop_view import SHOP_FEATURES, SHOP_WEIGHTS, ShopView, shop_features, shop_view
from highstreet.models.state import SharedState

__all__ = ["fit_alone", "fit_local"]

_CHUNK = 64
_SHARE_GRID = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
#: The co-op's part in how many places go to new products, where a shop has too few customers to judge.
_USUAL_PLACE_SHARE = 0.25
#: Offset of a candidate that is out of the running.
_NEVER = np.float32(-1e9)
_IS_REPEAT = np.array([name.startswith("repeat/") for name in (*FEATURES, *SHOP_FEATURES)])


def fit_local(
    plan: ModelPlan, release: SharedState, shop: ShopData, *, generator: np.random.Generator
) -> PersonalModel:
    """Fit a shop's personal model on its own customers, starting from a release.

    Args:
        plan: the programme the release came from.
        release: what the co-op released; an empty state means no co-op.
        shop: all data the shop may use for its own suggestions.
        generator: draws the negatives of the loss.
    """
    settings = Settings.from_params(plan.params)
    seed = int(generator.integers(2**31))
    fit = _Fit(schema=plan.schema, settings=settings, shop=shop, timeline=Timeline(shop), seed=seed)
    return fit.personal_model(release if "popularity/key" in release else None)


def fit_alone(plan: ModelPlan, shop: ShopData, *, generator: np.random.Generator) -> PersonalModel:
    """Fit the best model the shop can have by itself: the same code, no release."""
    return fit_local(plan, SharedState(), shop, generator=generator)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """One window's examples and the shop's own features beside them, for every customer, in chunks."""

    chunks: tuple[Examples, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Judged:
    """Customers of the last window, as experts fitted on the earlier ones see them.

    Attributes:
        examples: of the shop's own statistics; both experts have the same candidates and targets.
        alone_scores, coop_scores: (b, 1, c), without offsets.
    """

    examples: Examples
    alone_scores: NDArray[np.float64]
    coop_scores: NDArray[np.float64]

    @property
    def novel(self) -> Examples:
        """The same examples with only products new to the customer among the candidates."""
        bought = (self.examples.features[..., _IS_REPEAT] != 0).any(axis=-1)
        return replace(
            self.examples,
            offsets=np.where(bought, _NEVER, self.examples.offsets),
            targets=np.where(bought, np.float32(0), self.examples.targets),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trials:
    """How well each mixture of the experts foretells what customers bought in the last window.

    Attributes:
        losses: (customers, shares), one column for each share of the co-op's expert in `_SHARE_GRID`.
        novel_losses: the same over products new to the customer, of those who bought any.
    """

    losses: NDArray[np.float64]
    novel_losses: NDArray[np.float64]

    @classmethod
    def of(cls, judged: Iterator[_Judged]) -> _Trials:
        none = np.zeros((0, len(_SHARE_GRID)))
        losses, novel_losses = [none], [none]
        for each in judged:
            novel = each.novel
            mixed = [share * each.coop_scores + (1 - share) * each.alone_scores for share in _SHARE_GRID]
            losses.append(
                np.stack([losses_of_scores(scores, each.examples)[:, 0] for scores in mixed], axis=1)
            )
            bought_new = novel.targets.any(axis=(1, 2))
            found = np.stack([losses_of_scores(scores, novel)[:, 0] for scores in mixed], axis=1)
            novel_losses.append(found[bought_new])
        return cls(losses=np.concatenate(losses), novel_losses=np.concatenate(novel_losses))

    @property
    def on_all(self) -> Trial:
        return Trial.of(self.losses[:, 0], self.losses[:, -1])

    @property
    def on_novel(self) -> Trial:
        return Trial.of(self.novel_losses[:, 0], self.novel_losses[:, -1])


def _pairs(
    alone_windows: list[_Window],
    alone_prior: WeightPrior,
    coop_windows: list[_Window],
    coop_prior: WeightPrior,
) -> Iterator[_Judged]:
    """Fit both experts on the earlier windows and let them score the last one."""
    alone = fit_map([chunk for window in alone_windows[1:] for chunk in window.chunks], alone_prior)
    coop = fit_map([chunk for window in coop_windows[1:] for chunk in window.chunks], coop_prior)
    for own, shared in zip(alone_windows[0].chunks, coop_windows[0].chunks, strict=True):
        yield _Judged(examples=own, alone_scores=own.features @ alone, coop_scores=shared.features @ coop)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    schema: FeatureSchema
    settings: Settings
    shop: ShopData
    timeline: Timeline
    seed: int

    def personal_model(self, release: SharedState | None) -> PersonalModel:
        """Fit both experts, weigh them on the last window, refit on all windows."""
        settings = self.settings
        alone_windows = [self._window(index, None) for index in range(settings.local_windows)]
        alone_prior = self._alone_prior()
        alone = self._expert(None, alone_windows, alone_prior)
        coop = Expert(statistics=SharedState(), weights=alone.weights, place_share=0.0, order_share=0.0)
        trial: _Trials | None = None
        if release is not None:
            windows = [self._window(index, release) for index in range(settings.local_windows)]
            prior = self._coop_prior(release)
            trial = _Trials.of(_pairs(alone_windows, alone_prior, windows, prior))
            place, order = self._coop_shares(trial, self._reliability(release))
            coop = replace(self._expert(release, windows, prior), place_share=place, order_share=order)
            alone = replace(alone, place_share=1.0 - place, order_share=1.0 - order)
        return PersonalModel(
            schema=self.schema,
            settings=settings,
            products=len(self.shop.catalogue),
            coop=coop,
            alone=alone,
            view=self._view(self.shop.as_of),
            trial_all=None if trial is None else trial.on_all,
            trial_novel=None if trial is None else trial.on_novel,
        )

    def _view(self, day: int) -> ShopView:
        return shop_view(self.timeline, day, self.settings.half_life_days)

    def _own_statistics(self, day: int) -> SharedState:
        """The shop's own statistics in the form of a release without noise."""
        total = np.zeros(0)
        past = self.shop.before(day + self.settings.holdout_days)
        for rows in popularity_rows(self.schema, self.settings, past):
            total = rows.sum(axis=0) + (total if total.size else 0.0)
        if not total.size:
            return SharedState()
        return apply_popularity(self.schema, self.settings, SharedState(), total, noise_stddev=0.0)

    def _window(self, index: int, release: SharedState | None) -> _Window:
        settings = self.settings
        stop = self.shop.as_of - index * settings.horizon_days
        start = stop - settings.horizon_days
        statistics = release if release is not None else self._own_statistics(start)
        space = FeatureSpace(self.schema, settings, statistics, self.shop.catalogue)
        view = self._view(start)
        chunks: list[Examples] = []
        for first in range(0, self.timeline.customers, _CHUNK):
            rows = np.arange(first, min(first + _CHUNK, self.timeline.customers))
            found = window_examples(
                settings,
                space,
                self.timeline,
                rows,
                seed=self.seed + index,
                stop=stop,
                windows=1,
                listed=self._listed(start),
            )
            kept = np.flatnonzero(found.targets.any(axis=(1, 2)))
            if len(kept):
                chunks.append(self._with_own_features(found, kept, rows[kept], space, view, start))
        return _Window(chunks=tuple(chunks))

    def _listed(self, start: int) -> NDArray[np.bool_] | None:
        """Which products a window that starts on this day may tell apart; None for all.

        A list made from sales holds, as of an earlier day, only those unsold products that were to be sold
        later: a model would learn that what never sold is what sells next. Unless at least as many products
        have never sold as were first sold during the windows, a window keeps to products sold before it.
        """
        first_sold = self.timeline.first_sold()
        windows_start = self.shop.as_of - self.settings.local_windows * self.settings.horizon_days
        never = int((first_sold >= self.shop.as_of).sum())
        lately = int(((first_sold >= windows_start) & (first_sold < self.shop.as_of)).sum())
        return None if never >= lately else first_sold < start

    def _with_own_features(
        self,
        found: Examples,
        kept: NDArray[np.int64],
        rows: NDArray[np.int64],
        space: FeatureSpace,
        view: ShopView,
        start: int,
    ) -> Examples:
        past = self.timeline.before(start, rows, space.half_lives)
        own = shop_features(
            view,
            space.view,
            past,
            found.candidates[kept, 0],
            half_life_days=self.settings.half_life_days,
            prior_customers=self.settings.shop_prior_customers,
        )
        return Examples(
            candidates=found.candidates[kept],
            features=np.concatenate([found.features[kept], own[:, None]], axis=-1),
            offsets=found.offsets[kept],
            targets=found.targets[kept],
        )

    def _expert(self, release: SharedState | None, windows: list[_Window], prior: WeightPrior) -> Expert:
        chunks = [chunk for window in windows for chunk in window.chunks]
        statistics = release if release is not None else self._own_statistics(self.shop.as_of)
        return Expert(statistics=statistics, weights=fit_map(chunks, prior), place_share=1.0, order_share=1.0)

    def _coop_shares(self, trials: _Trials, reliability: float) -> tuple[float, float]:
        """Return the co-op's part in places and in order that explain the shop's last window best.

        Each question has its own loss, over all products and over those new to the customer, and its own
        reluctance: loss that the shop's data must overcome to move off what is usual, because few customers
        cannot judge. Usual in the order is all of a clean release, and half of one that is nothing but noise.
        """
        reluctance = self.settings.share_prior
        places = trials.losses.sum(axis=0) + reluctance * (_SHARE_GRID - _USUAL_PLACE_SHARE) ** 2
        usual = 0.5 + 0.5 * reliability
        order = trials.novel_losses.sum(axis=0) + reluctance * (_SHARE_GRID - usual) ** 2
        return float(_SHARE_GRID[np.argmin(places)]), float(_SHARE_GRID[np.argmin(order)])

    def _reliability(self, release: SharedState) -> float:
        """Return which part of what the release says of products here is not noise, in [0, 1]."""
        keys = np.unique(self.shop.catalogue.shared_key)
        observed = float(np.var(release["popularity/key"][keys])) if len(keys) else 0.0
        noise = float(release["popularity/key_stddev"][0]) ** 2
        return min(max(1.0 - noise / observed, 0.0), 1.0) if observed > 0 else 0.0

    def _alone_prior(self) -> WeightPrior:
        mean = np.concatenate([INITIAL_WEIGHTS, SHOP_WEIGHTS])
        return WeightPrior(mean=mean, precision=self.settings.alone_precision * np.eye(len(mean)))

    def _coop_prior(self, release: SharedState) -> WeightPrior:
        size = len(FEATURES)
        mean = np.concatenate([release["ranker/weights"], SHOP_WEIGHTS])
        precision = self.settings.alone_precision * np.eye(len(mean))
        if "ranker/curvature" in release:
            variance = 1.0 / self.settings.prior_customers + float(release["ranker/variance"][0])
            precision[:size, :size] = release["ranker/curvature"] / variance
            precision[:size, :size] += 1e-3 * np.eye(size)
        return WeightPrior(mean=mean, precision=precision)
