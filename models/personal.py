"""The personal model: what a shop serves with; computed from a release and its own data, never shared."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from highstreet.models.errors import InvalidPersonalModelError, ModelsError
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop_view import ShopView
from highstreet.models.state import SharedState

__all__ = ["Expert", "PersonalModel", "Trial"]

_FORMAT = "highstreet-personal-3"
_MAX_BYTES = 256 << 20
#: Of fewer customers nothing is said.
_FEWEST_TO_SAY = 20
_STANDARD_ERRORS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expert:
    """One way of scoring: statistics to compute features from, and weights for them.

    Attributes:
        statistics: released state, or the shop's own statistics in the same form.
        weights: (f,), shared features first, the shop's own features after them.
        place_share: part of this expert in the score that decides how many of the first places go to products
            new to the customer, in [0, 1]; shares add to 1.
        order_share: its part in the order among those new products; shares add to 1.
    """

    statistics: SharedState
    weights: NDArray[np.float64]
    place_share: float
    order_share: float

    @property
    def is_served(self) -> bool:
        """Whether suggestions depend on this expert at all."""
        return self.place_share > 0 or self.order_share > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The co-op's expert beside the shop's own on the shop's last window, both fitted on those before it.

    Attributes:
        customers: judged.
        gain: mean over them of the own expert's loss less the co-op's, in nats; below 0 the co-op's is worse.
        standard_error: of the gain over customers; 0 for fewer than two.
    """

    customers: int
    gain: float
    standard_error: float

    @classmethod
    def of(cls, own: NDArray[np.float64], coop: NDArray[np.float64]) -> Trial:
        """Compare losses, (customers,) each, customer by customer."""
        less = own - coop
        n = len(less)
        if not n:
            return cls(customers=0, gain=0.0, standard_error=0.0)
        error = float(less.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        return cls(customers=n, gain=float(less.mean()), standard_error=error)

    @property
    def can_say(self) -> bool:
        """Whether there were customers enough to say anything."""
        return self.customers >= _FEWEST_TO_SAY

    @property
    def is_worse(self) -> bool:
        """Whether the co-op's expert did clearly worse than the shop's own."""
        return self.can_say and self.gain + _STANDARD_ERRORS * self.standard_error < 0

    @property
    def is_better(self) -> bool:
        """Whether it did clearly better."""
        return self.can_say and self.gain - _STANDARD_ERRORS * self.standard_error > 0

    def to_dict(self) -> dict[str, float | int]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonalModel:
    """What serving needs besides the shop's data.

    Attributes:
        schema, settings: as in the plan it was fitted under.
        products: number of catalogue rows it was fitted for.
        coop: the expert that starts from the release; its shares are 0 when there is none.
        alone: the expert that knows only this shop.
        view: the shop's own statistics.
        trial_all, trial_novel: on all purchases, and on products new to the customer; None without a release.
    """

    schema: FeatureSchema
    settings: Settings
    products: int
    coop: Expert
    alone: Expert
    view: ShopView
    trial_all: Trial | None = None
    trial_novel: Trial | None = None

    def to_bytes(self) -> bytes:
        """Return the model as safetensors; plain numbers travel in its metadata."""
        arrays: dict[str, NDArray[np.floating]] = {}
        for name, expert in (("coop", self.coop), ("alone", self.alone)):
            arrays[f"{name}.weights"] = expert.weights
            arrays[f"{name}.shares"] = np.array([expert.place_share, expert.order_share])
            arrays.update({f"{name}.statistics.{key}": expert.statistics[key] for key in expert.statistics})
        for field in _VIEW_FIELDS:
            arrays[f"view.{field}"] = np.atleast_1d(np.asarray(getattr(self.view, field), dtype=np.float32))
        # One entry only: safetensors writes several in no fixed order, and equal models have equal bytes.
        header = {
            "format": _FORMAT,
            "schema": self.schema.to_dict(),
            "settings": self.settings.to_params(),
            "products": self.products,
            "trials": [
                None if trial is None else trial.to_dict() for trial in (self.trial_all, self.trial_novel)
            ],
        }
        metadata = {"model": json.dumps(header, sort_keys=True)}
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return bytes(save(contiguous, metadata=metadata))

    @classmethod
    def from_bytes(cls, data: bytes) -> PersonalModel:
        """Read a model this shop wrote earlier.

        Raises:
            InvalidPersonalModelError: the bytes are damaged or of another format.
        """
        if len(data) > _MAX_BYTES:
            raise InvalidPersonalModelError("The personal model's file is too large.")
        try:
            arrays, metadata = load(data), _metadata(data)
            schema = FeatureSchema.from_dict(metadata["schema"])
            settings = Settings.from_params(metadata["settings"])
            products = int(metadata["products"])
            trial_all, trial_novel = (None if each is None else Trial(**each) for each in metadata["trials"])
            view = {field: arrays[f"view.{field}"] for field in _VIEW_FIELDS}
            model = cls(
                schema=schema,
                settings=settings,
                products=products,
                coop=_expert(arrays, "coop"),
                alone=_expert(arrays, "alone"),
                view=ShopView(
                    volume=view["volume"],
                    people=view["people"],
                    customers=float(view["customers"][0]),
                    directions=view["directions"],
                    strengths=view["strengths"],
                ),
                trial_all=trial_all,
                trial_novel=trial_novel,
            )
        except (SafetensorError, ModelsError, KeyError, ValueError, TypeError) as error:
            raise InvalidPersonalModelError(
                "The personal model's file is damaged.", next_step="Train it again from the release."
            ) from error
        if model.view.volume.shape != (products,) or model.view.directions.shape[1:] != (products,):
            raise InvalidPersonalModelError("The personal model's arrays do not fit each other.")
        return model


_VIEW_FIELDS = ("volume", "people", "customers", "directions", "strengths")


def _expert(arrays: dict[str, NDArray[np.floating]], name: str) -> Expert:
    prefix = f"{name}.statistics."
    place_share, order_share = arrays[f"{name}.shares"].tolist()
    statistics = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
    return Expert(
        statistics=SharedState(statistics),
        weights=arrays[f"{name}.weights"].astype(np.float64),
        place_share=place_share,
        order_share=order_share,
    )


def _metadata(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["model"])
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise InvalidPersonalModelError("The personal model's file is of another format.")
    return header
