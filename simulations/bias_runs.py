"""One run of the lab's measurement of bias: train a way of recommending, serve by it, keep what was judged.

A run is kept in one file that is named after everything its result depends on, so that a lab that was stopped
goes on where it was, and nothing that was computed by other code is taken for a result of this one.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from highstreet.audit.charter import RoundTerms
from highstreet.files import write_private
from highstreet.models.baselines import bought, popularity
from highstreet.models.local import fit_alone, fit_local
from highstreet.models.plan import ModelPlan, PhaseKind
from highstreet.models.schema import FeatureSchema
from highstreet.models.serving import Recommender
from highstreet.simulations import bias_judging
from highstreet.simulations.bias_groups import ProductClasses
from highstreet.simulations.bias_judging import judge_bias
from highstreet.simulations.conditions import Condition, Kind, Placement
from highstreet.simulations.errors import UnreadableResultsError
from highstreet.simulations.protocol import Federation, LabStore
from highstreet.simulations.replay import jobs_for
from highstreet.simulations.training import plan_for, train

__all__ = ["BiasBench", "Run", "Way"]

Step = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way of recommending: a condition, with or without a group-weighted objective.

    Attributes:
        condition: popularity, each shop alone, or a co-op.
        weights: ATTRIBUTE.CELL -> weight in the ranker rounds; empty for none.
    """

    condition: Condition
    weights: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """Short, for file names."""
        return self.condition.name + ("-weighted" if self.weights else "")

    @property
    def title(self) -> str:
        """In tables."""
        return self.condition.title + (", groups weighted" if self.weights else "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What one way gave under one seed.

    Attributes:
        values: (variants, units, metrics), see `bias_judging.judge_bias`.
        commit: of the code that computed it.
    """

    values: NDArray[np.float64]
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BiasBench:
    """Runs ways over one federation, or reads what was run before.

    Attributes:
        federation: shops, who is judged, and by what.
        classes: of the catalogue's products.
        schema: the feature space the federation was built in.
        rounds: how secure sums are held.
        folder: of the runs.
    """

    federation: Federation
    classes: ProductClasses
    schema: FeatureSchema
    rounds: RoundTerms
    folder: Path
    _data: dict[str, str] = field(default_factory=dict, init=False)

    def place(self, way: Way, seed: int) -> Path:
        """Return the file of a run: named after way, seed, code and data."""
        return self.folder / f"bias-{way.name}-seed{seed}-{self._digest(way)}.npz"

    def run(self, way: Way, seed: int, *, commit: str, step: Step) -> Run:
        """Train, serve, judge and keep one way under one seed.

        Args:
            way: what is run.
            seed: of noise, sampling and local training.
            commit: of the code that is loaded.
            step: told (what, done, of how many) as work goes on.
        """
        values = judge_bias(self.federation, self.classes, self._scorer(way, seed, step))
        content = io.BytesIO()
        np.savez_compressed(content, values=values.astype(np.float32), commit=np.array(commit))
        place = self.place(way, seed)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_private(place, content.getvalue())
        return self.load(way, seed)

    def load(self, way: Way, seed: int) -> Run:
        """Return a run that was kept.

        Raises:
            UnreadableResultsError: the file is damaged.
        """
        place = self.place(way, seed)
        try:
            with np.load(place, allow_pickle=False) as kept:
                return Run(
                    values=np.asarray(kept["values"], dtype=np.float64), commit=str(kept["commit"].item())
                )
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise UnreadableResultsError(
                f"The result {place.name} in {place.parent} is damaged.",
                next_step="Remove that file and run the same command again.",
            ) from error

    def _scorer(self, way: Way, seed: int, step: Step) -> Callable[[int, LabStore], NDArray[np.floating]]:
        if way.condition.kind is Kind.OPPONENT:
            return _by_popularity(self.federation)
        plan = weighted(plan_for(self.schema, way.condition.epsilon), dict(way.weights))
        release = None
        if way.condition.kind is Kind.COOP:
            placement = way.condition.placement
            release = train(
                plan,
                [store.shop for store in self.federation.training],
                placement=placement,
                seed=seed,
                first_sums={},
                step=step,
                rounds=self.rounds if placement is Placement.ONCE_IN_SUM else None,
            )

        def scores(index: int, store: LabStore) -> NDArray[np.floating]:
            generator = np.random.default_rng((seed, index))
            model = (
                fit_alone(plan, store.shop, generator=generator)
                if release is None
                else fit_local(plan, release, store.shop, generator=generator)
            )
            step("local training", index + 1, len(self.federation.stores))
            return Recommender(model, store.shop).scores(store.judged)

        return scores

    def _digest(self, way: Way) -> str:
        if way.condition.name not in self._data:
            # Seeds are in the file's name; the fingerprint of a job does not depend on them.
            (job,) = jobs_for(self.federation, [way.condition], seeds=1, rounds=self.rounds)
            digest = hashlib.sha256(job.fingerprint.encode())
            for column in _columns(self.federation, self.classes):
                digest.update(np.ascontiguousarray(column).tobytes())
            for source in (bias_judging.__file__, __file__):
                digest.update(Path(source).read_bytes())
            self._data[way.condition.name] = digest.hexdigest()
        own = f"{self._data[way.condition.name]} {sorted(way.weights)}"
        return hashlib.sha256(own.encode()).hexdigest()[:12]


def weighted(plan: ModelPlan, weights: Mapping[str, float]) -> ModelPlan:
    """Return the plan with these weights of groups in its ranker rounds; as it is without any."""
    if not weights:
        return plan
    phases = [
        replace(phase, params=dict(weights)) if phase.kind is PhaseKind.GRADIENT else phase
        for phase in plan.phases
    ]
    return replace(plan, phases=tuple(phases))


def _by_popularity(federation: Federation) -> Callable[[int, LabStore], NDArray[np.floating]]:
    """Score by how many customers of all shops bought each product, counted without noise."""
    counted = popularity(csr_array(vstack([bought(store.shop) for store in federation.training])))
    return lambda _, store: np.broadcast_to(counted, (len(store.judged), len(counted)))


def _columns(federation: Federation, classes: ProductClasses) -> Sequence[NDArray[np.int64]]:
    """What a result depends on beyond a replay's: which product is of what, who is of which group."""
    groups = [
        shop.groups[name] for shop in (each.shop for each in federation.training) for name in shop.groups
    ]
    return [classes.small, classes.private, classes.price, classes.tenth, classes.category, *groups]
