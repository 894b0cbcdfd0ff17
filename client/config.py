"""store.toml: the shop's own settings and limits. What it does not name is not a setting; a seed is not."""

from __future__ import annotations

import tomllib
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from highstreet.audit.charter import COOP_LEARNING
from highstreet.audit.limits import StoreLimits
from highstreet.client.errors import StoreConfigError
from highstreet.client.home import StoreHome
from highstreet.files import FileAccessError, read_limited, write_private
from highstreet.models.reranking import Reranking

__all__ = [
    "ConsentConfig",
    "NodeConfig",
    "RightsConfig",
    "ShopConfig",
    "StoreConfig",
    "read_config",
    "write_default_config",
]

_LIMIT_BYTES = 64 << 10


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LimitsConfig(_Strict):
    """What this store takes part in at most; see `highstreet.audit.limits.StoreLimits`."""

    max_epsilon: float = Field(default=3.0, gt=0, le=20)
    delta: float = Field(default=1e-5, gt=0, le=1e-3)
    period_days: int = Field(default=365, ge=1, le=3660)
    min_cohort_floor: int = Field(default=3, ge=2, le=10_000)
    max_phases: int = Field(default=24, ge=1, le=64)
    max_dimension: int = Field(default=1 << 20, ge=1, le=1 << 22)
    max_state_bytes: int = Field(default=32 << 20, ge=1024, le=256 << 20)
    max_example_numbers: int = Field(default=1 << 18, ge=1, le=1 << 22)
    max_matching_delta: float = Field(default=1e-5, gt=0, le=1e-2)
    purposes: tuple[str, ...] = Field(default=(COOP_LEARNING,), max_length=16)
    require_person_unit: bool = False

    def to_limits(self) -> StoreLimits:
        """Return the plain form the checks use."""
        return StoreLimits(**self.model_dump())


class NodeConfig(_Strict):
    """This store's Flower node.

    Attributes:
        port: loopback port between the node and its app; 0 lets the system choose.
    """

    port: int = Field(default=0, ge=0, le=65535)


class SuggestionsConfig(_Strict):
    """How lists of suggestions are made; see `highstreet.models.reranking`."""

    calibration: float = Field(default=0.0, ge=0, le=1)
    small_suppliers: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.calibration and self.small_suppliers:
            raise ValueError("calibration and small_suppliers cannot both be over 0")
        return self

    def to_reranking(self) -> Reranking:
        """Return the plain form that serving uses."""
        return Reranking(**self.model_dump())


class ConsentConfig(_Strict):
    """How long customers' answers count, and are kept.

    Attributes:
        valid_days: a yes counts so long at most; 0: until it is taken back.
        keep_days: after so long without a yes that counts, a customer's answers are emptied; 0: never.
    """

    valid_days: int = Field(default=0, ge=0, le=36_600)
    keep_days: int = Field(default=0, ge=0, le=36_600)

    @model_validator(mode="after")
    def _an_old_file_brings_no_yes_back(self) -> Self:
        if self.keep_days and not 0 < self.valid_days <= self.keep_days:
            raise ValueError(
                "keep_days needs a valid_days that is not longer: else an old file could bring back "
                "a yes whose withdrawal is forgotten"
            )
        return self


class RightsConfig(_Strict):
    """What is kept so that an erasure stays one.

    Attributes:
        backup_days: for how long a copy of the shop's data from before an erasure may be around; so long a
            digest of whoever was erased is kept. 0: no copies are made, and nothing is kept.
    """

    backup_days: int = Field(default=35, ge=0, le=3660)


class ShopConfig(_Strict):
    """The shop as its customers know it; receipts of consent say it.

    Attributes:
        name: of the shop.
        contact: where customers withdraw and ask: a postal or e-mail address, a telephone number.
        country: two capital letters (ISO 3166-1), or empty.
        language: of pages for customers where they do not wish for another.
    """

    name: str = Field(default="", max_length=200)
    contact: str = Field(default="", max_length=300)
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    language: str = Field(default="en", pattern=r"^[a-z]{2}(-[A-Za-z]{2})?$")


class StoreConfig(_Strict):
    """All settings of one store."""

    shop: ShopConfig = ShopConfig()
    limits: LimitsConfig = LimitsConfig()
    consent: ConsentConfig = ConsentConfig()
    rights: RightsConfig = RightsConfig()
    node: NodeConfig = NodeConfig()
    suggestions: SuggestionsConfig = SuggestionsConfig()


def read_config(home: StoreHome) -> StoreConfig:
    """Read store.toml; a missing file means the defaults.

    Raises:
        StoreConfigError: not valid TOML, an unknown setting or a value out of range.
    """
    try:
        if not home.config.exists():
            return StoreConfig()
        text = read_limited(home.config, limit_bytes=_LIMIT_BYTES).decode()
        return StoreConfig.model_validate(tomllib.loads(text))
    except (ValueError, RecursionError, FileAccessError) as error:
        raise StoreConfigError(
            f"{home.config} cannot be used: {_reason(error)}.",
            next_step="Correct it; until then this store takes part in nothing.",
        ) from error


def write_default_config(home: StoreHome) -> None:
    """Write store.toml with every default and what it means, unless there is one."""
    if not home.config.exists():
        write_private(home.config, default_toml().encode())


def default_toml() -> str:
    """Return the defaults as a file for people; reading it gives `StoreConfig()`."""
    shop, limits, consent, rights = ShopConfig(), LimitsConfig(), ConsentConfig(), RightsConfig()
    node, suggestions = NodeConfig(), SuggestionsConfig()
    purposes = ", ".join(f'"{purpose}"' for purpose in limits.purposes)
    return f"""# This shop's own settings. Nothing that arrives from outside can change them.

# The shop as its customers know it, for receipts of their consents: its name, where to ask and to withdraw
# (an address, a telephone number), its country as two capital letters, the language of pages (en, de or fr).
[shop]
name = "{shop.name}"
contact = "{shop.contact}"
country = "{shop.country}"
language = "{shop.language}"

# What the shop takes part in at most. A co-op whose charter asks for more is not joined, and a round that
# asks for more is refused before anything is computed.
[limits]
# Privacy loss per customer over period_days: with (epsilon, delta) of 1 and 1e-5 almost nothing about one
# customer can be told from what leaves the shop; 3 is a common compromise; above 8 says little.
max_epsilon = {limits.max_epsilon}
delta = {limits.delta}
period_days = {limits.period_days}
# Fewest shops whose sums are used together.
min_cohort_floor = {limits.min_cohort_floor}
# Size of one training: rounds, numbers per round, bytes of a model, numbers kept in memory per customer.
max_phases = {limits.max_phases}
max_dimension = {limits.max_dimension}
max_state_bytes = {limits.max_state_bytes}
max_example_numbers = {limits.max_example_numbers}
# What customers' data may be used for through a co-op, each customer's own answer permitting. "matching"
# lets shops count at how many of them a customer shops; without it here, a co-op that does so is not joined.
purposes = [{purposes}]
# What one matching may add to the delta of the promise to a person: how often one person can change what
# shops read about another. A matching of so many shops that it adds more is not taken part in.
max_matching_delta = {limits.max_matching_delta}
# true: only a co-op whose charter keeps its promise for a person over all shops, not for a customer of each.
require_person_unit = {str(limits.require_person_unit).lower()}

# How long a customer's yes counts at most, in days; 0: until it is taken back. And after how long without a
# yes that counts a customer's answers are emptied; 0: never. The second needs the first, and is not shorter:
# else an old file could bring back a yes whose withdrawal is forgotten.
[consent]
valid_days = {consent.valid_days}
keep_days = {consent.keep_days}

# Customers' rights. For how many days a backup of this folder may be around: so long a digest of whoever was
# erased is kept, so that neither a backup nor an old export brings them back. 0: no backups are made.
[rights]
backup_days = {rights.backup_days}

# The Flower node beside the store service. Port on this machine only; 0: any that is free.
[node]
port = {node.port}

# Lists of suggestions. calibration, 0 to 1: how much a list keeps to the categories that a customer buys.
# small_suppliers, 0 to 1: share of the places, by how much they are seen, that go to makers who sell little.
# At 0 lists are as the model makes them. One of the two; what each costs: docs/bias.md.
[suggestions]
calibration = {suggestions.calibration}
small_suppliers = {suggestions.small_suppliers}
"""


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
    return str(error).rstrip(".")
