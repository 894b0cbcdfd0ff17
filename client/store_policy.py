"""A store's policy: what its owner set for rounds and consent, as far as an attestation binds it."""

from __future__ import annotations

from highstreet.client.config import read_config
from highstreet.client.home import StoreHome
from highstreet.client.special_products import read_special_products

__all__ = ["store_policy"]


def store_policy(home: StoreHome) -> dict[str, object]:
    """Return the limits, the rules of consent and the special products that hold now, as plain values.

    They follow from the owner's files alone, never from customers.

    Raises:
        StoreConfigError: one of the files cannot be read.
    """
    config, special = read_config(home), read_special_products(home.root)
    return {
        "limits": config.limits.model_dump(mode="json"),
        "consent": config.consent.model_dump(mode="json"),
        "special_products": {
            "kinds": {
                kind: sorted(" ".join(words) for words in phrases)
                for kind, phrases in special.phrases.items()
            },
            "always": sorted(special.always),
            "never": sorted(special.never),
        },
    }
