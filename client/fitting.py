"""The personal model: fitted here on this shop's own customers, kept here, and what serves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from highstreet.audit.consent import Purpose
from highstreet.client.consent import ConsentDesk
from highstreet.client.errors import FittingError
from highstreet.client.home import StoreHome
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.files import make_private_folder, read_limited, write_private
from highstreet.models.local import fit_local
from highstreet.models.personal import PersonalModel
from highstreet.models.plan import ModelPlan
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState

__all__ = ["FittedModel", "fit_personal", "fitted_model", "fitted_release", "own_shop"]

_LIMIT_BYTES = 256 << 20
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A personal model and what it came from.

    Attributes:
        model: what serving needs.
        release: number of the release it starts from, 0 for none.
        as_of: purchases before this day were used.
    """

    model: PersonalModel
    release: int
    as_of: date


def own_shop(vault: Vault, plan: ModelPlan, *, purpose: Purpose) -> ShopData:
    """Load what the customers who agreed to a purpose bought, up to now; for use inside the shop.

    Args:
        vault: the shop's data.
        plan: names the feature schema.
        purpose: SHOP_MODEL to fit, SUGGESTIONS_HERE to serve.
    """
    return load_shop(vault, ConsentDesk(vault).cohort(purpose), plan.schema, _day_after_newest_order(vault))


def fit_personal(home: StoreHome, plan: ModelPlan, state: SharedState, *, release: int) -> FittedModel:
    """Fit on the shop's own customers from a release, and put the model in use in one step.

    Nothing of it ever leaves, so no noise is added. An empty state fits the shop alone.
    """
    with Vault.open(home.vault) as vault:
        shop = own_shop(vault, plan, purpose=Purpose.SHOP_MODEL)
    model = fit_local(plan, state, shop, generator=np.random.default_rng())
    make_private_folder(home.personal)
    write_private(home.personal / f"{release:06d}.safetensors", model.to_bytes())
    pointer = {"release": release, "as_of_day": int(shop.as_of)}
    write_private(home.personal / "active.json", json.dumps(pointer).encode())
    for path in home.personal.glob("*.safetensors"):
        if path.stem != f"{release:06d}":
            path.unlink()
    return FittedModel(model=model, release=release, as_of=_EPOCH + timedelta(days=int(shop.as_of)))


def fitted_release(home: StoreHome) -> int | None:
    """Return the number of the release that the model in use starts from; None when nothing was fitted."""
    pointer = _pointer(home)
    return None if pointer is None else pointer[0]


def fitted_model(home: StoreHome) -> FittedModel | None:
    """Return the model in use; None when nothing was fitted.

    Raises:
        FittingError: its file is missing or damaged.
    """
    pointer = _pointer(home)
    if pointer is None:
        return None
    release, day = pointer
    data = read_limited(home.personal / f"{release:06d}.safetensors", limit_bytes=_LIMIT_BYTES)
    return FittedModel(
        model=PersonalModel.from_bytes(data), release=release, as_of=_EPOCH + timedelta(days=day)
    )


def _pointer(home: StoreHome) -> tuple[int, int] | None:
    path = home.personal / "active.json"
    if not path.exists():
        return None
    try:
        plain = json.loads(read_limited(path, limit_bytes=4096))
        return int(plain["release"]), int(plain["as_of_day"])
    except (ValueError, KeyError, TypeError) as error:
        raise FittingError(
            f"{path} is damaged.", next_step="Delete it; `highstreet store run` fits the model anew."
        ) from error


def _day_after_newest_order(vault: Vault) -> date:
    with vault.read() as connection:
        (newest,) = connection.execute("SELECT max(ordered_at) FROM orders").fetchone()
    if newest is None:
        return datetime.now(UTC).date()
    return _EPOCH + timedelta(days=int(newest) // 86_400 + 1)
