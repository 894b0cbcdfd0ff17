"""The shop's own model: fitted without noise on customers who agreed to it, kept on this disk, never shared.

It starts from the release in use, when there is one. It is fitted anew when something it depends on has
changed: the release, the imported files, the list of products, or what customers agreed to; so a withdrawal
reaches it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from highstreet.audit.consent import Purpose
from highstreet.client.consent import ConsentDesk
from highstreet.client.consented_cohort import ConsentedCohort, sensitive_granted, still_granted
from highstreet.client.home import StoreHome
from highstreet.client.membership import is_joined, load_charter
from highstreet.client.personal_file import Basis, keep_model, read_model
from highstreet.client.releases import active_release
from highstreet.client.rights_requests import last_change
from highstreet.client.shop_loader import load_shop, special_products
from highstreet.client.shop_totals import last_order_day
from highstreet.client.vault import Vault
from highstreet.models.errors import ModelsError
from highstreet.models.local import fit_local
from highstreet.models.personal import PersonalModel
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan
from highstreet.models.state import SharedState

__all__ = ["KeptModel", "current_model", "refresh_model", "serving_day", "shop_plan"]


#: How often a model is fitted at most when answers change during each fit.
_MOST_FITS = 3


class _OvertakenError(Exception):
    """Who agreed changed while a model was fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModel:
    """A personal model and the number of the release it started from, 0 for none."""

    model: PersonalModel
    release: int


def shop_plan(home: StoreHome) -> ModelPlan:
    """Return the charter's plan, or the public defaults for a shop that is in no co-op."""
    # No noise is ever drawn from this plan: only its schema and public numbers are used here.
    return load_charter(home).plan if is_joined(home) else default_plan(noise_multiplier=1.0)


def serving_day(vault: Vault) -> date:
    """Return the day suggestions are made for: the one after the latest order.

    For use inside the shop only: it depends on customers.
    """
    last = last_order_day(vault, ConsentDesk(vault).totals())
    return datetime.now(UTC).date() if last is None else date(1970, 1, 1) + timedelta(days=last + 1)


def current_model(home: StoreHome, vault: Vault) -> KeptModel | None:
    """Return the shop's model, fitted anew when its basis has changed.

    Guarantee: what is returned was kept or fitted with nobody who had said no when the fit ended. A fit that
    was overtaken is thrown away and done again.

    Returns:
        None when nobody agreed to one, or when each of several fits was overtaken.
    """
    for _ in range(_MOST_FITS):
        with suppress(_OvertakenError):
            return _current(home, vault)
    return None


def _current(home: StoreHome, vault: Vault) -> KeptModel | None:
    release = active_release(home) if is_joined(home) else None
    number = release.manifest.number if release else 0
    cohort = ConsentDesk(vault).cohort(Purpose.SHOP_MODEL)
    basis = _basis(vault, cohort, number)
    kept = _load(home, basis)
    if kept is not None:
        return KeptModel(model=kept, release=number)
    return _fit(home, vault, cohort, basis, release.state if release else SharedState())


def refresh_model(home: StoreHome) -> int | None:
    """Make sure the model on the disk is the current one; return its release's number, None without a model.

    For the store service, after it took up a release.
    """
    with Vault.open(home.vault) as vault:
        kept = current_model(home, vault)
    return None if kept is None else kept.release


def _fit(
    home: StoreHome, vault: Vault, cohort: ConsentedCohort, basis: Basis, release: SharedState
) -> KeptModel | None:
    plan = shop_plan(home)
    as_of = date.fromisoformat(basis.as_of)
    shop = load_shop(vault, cohort, plan.schema, as_of, purpose=Purpose.SHOP_MODEL)
    if not len(shop.purchases) or not len(shop.catalogue):
        return None
    model = fit_local(plan, release, shop, generator=np.random.default_rng())
    # Under the lock that an erasure holds: a model that somebody was in is not kept once they are gone.
    now = ConsentDesk(vault).cohort(Purpose.SHOP_MODEL)
    with vault.write() as connection:
        agreed = _agreed(vault, now, connection)
        if (agreed, last_change(connection)) != (basis.agreed_sha256, basis.rights):
            raise _OvertakenError
        keep_model(home, model.to_bytes(), basis)
    return KeptModel(model=model, release=basis.release)


def _basis(vault: Vault, cohort: ConsentedCohort, release: int) -> Basis:
    special = sorted(special_products(vault))
    with vault.read() as connection:
        agreed, rights = _agreed(vault, cohort, connection), last_change(connection)
        (imports,) = connection.execute(
            "SELECT ifnull(max(import), 0) FROM imports WHERE state = 'saved'"
        ).fetchone()
        digest = hashlib.sha256(repr(special).encode())
        # In the order of the catalogue's rows, which a kept model counts by: another order is another basis.
        for row in connection.execute("SELECT * FROM products WHERE listed = 1 ORDER BY product_id"):
            digest.update(repr(row).encode())
    return Basis(
        release=release,
        imports=imports,
        agreed_sha256=agreed,
        products_sha256=digest.hexdigest(),
        as_of=serving_day(vault).isoformat(),
        rights=rights,
    )


def _agreed(vault: Vault, cohort: ConsentedCohort, connection: sqlite3.Connection) -> str:
    """Return a hash over who may be in the model; the first thing in a transaction."""
    agreed = (
        still_granted(cohort, vault, connection, Purpose.SHOP_MODEL),
        sorted(sensitive_granted(cohort, vault, connection, Purpose.SHOP_MODEL)),
    )
    return hashlib.sha256(f"{vault.vault_id} {agreed}".encode()).hexdigest()


def _load(home: StoreHome, basis: Basis) -> PersonalModel | None:
    data = read_model(home, basis)
    try:
        return None if data is None else PersonalModel.from_bytes(data)
    except ModelsError:
        return None
