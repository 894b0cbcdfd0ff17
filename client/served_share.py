"""How much of the shared model a shop serves, and how that model does here, in words for the owner.

It is what the shop found out by itself when its model was fitted: the shared model, trained further here, and
the shop's own best model both learnt from all windows but the last, and foretold what customers bought in
that one. Nothing of it leaves the shop.
"""

from __future__ import annotations

from highstreet.client.home import StoreHome
from highstreet.client.personal_file import kept_model
from highstreet.models.errors import ModelsError
from highstreet.models.personal import PersonalModel, Trial

__all__ = ["served_in_words"]


def served_in_words(home: StoreHome) -> tuple[str, ...]:
    """Say which part of what is served comes from the release, and whether it does worse than the shop alone.

    Returns:
        Nothing where no model is kept, or the one kept starts from no release.
    """
    data = kept_model(home)
    try:
        model = None if data is None else PersonalModel.from_bytes(data)
    except ModelsError:
        return ()
    if model is None or model.trial_all is None or model.trial_novel is None:
        return ()
    places, order = round(100 * model.coop.place_share), round(100 * model.coop.order_share)
    days = model.settings.horizon_days
    return (
        f"of what this shop suggests the shared model has {places} % of the say in how many products are new "
        f"to the customer, and {order} % in which ones",
        _beside_own(model.trial_all, days, "what customers bought"),
        _beside_own(model.trial_novel, days, "which products new to them customers bought"),
    )


def _beside_own(trial: Trial, days: int, what: str) -> str:
    if not trial.can_say:
        return f"too few customers ({trial.customers}) in the last {days} days to say how it foretells {what}"
    beside = f"than this shop's own model in the last {days} days ({trial.customers:,} customers)"
    if trial.is_worse:
        return f"it foretold {what} WORSE {beside}; by how much in suggestions: highstreet store evaluate"
    how = "better" if trial.is_better else "neither clearly better nor clearly worse"
    return f"it foretold {what} {how} {beside}"
