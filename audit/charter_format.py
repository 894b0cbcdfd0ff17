"""The charter at the edge: values from outside, checked one by one, and the TOML that people read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from highstreet.audit.bias_rules import (
    BiasLimits,
    BiasRule,
    Comparison,
    Direction,
    Metric,
    Overrider,
    refuse_odd_limits,
    refuse_unmeasured,
)
from highstreet.audit.canonical import read_canonical
from highstreet.audit.charter import (
    MATCHING,
    Charter,
    CoopIdentity,
    FormatVersions,
    MatchingTerms,
    PrivacyTerms,
    RoundTerms,
)
from highstreet.audit.errors import CharterError
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES
from highstreet.models.errors import ModelsError
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import measured_parts
from highstreet.printable import letters_in
from highstreet.privacy.releases import Neighbouring, NoisePlacement, PrivacyUnit, Weighting

__all__ = ["from_document", "from_toml", "to_toml"]

_TEXT_LIMIT = 1 << 20
_PLAIN_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_SLUG = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


def _printing(name: str) -> str:
    """Refuse controls, C1, line ends and marks of writing direction: members' terminals show the name."""
    if not name.isprintable():
        raise ValueError("a character that does not print")
    return name


def _naming(name: str) -> str:
    """Refuse a name of which nothing can be seen: shops are told who overrode a rule."""
    if not letters_in(name):
        raise ValueError("no letter or digit")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Coop(_Strict):
    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printing)]
    created: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


class _Purposes(_Strict):
    allowed: list[_SLUG] = Field(min_length=1, max_length=16)


class _Privacy(_Strict):
    epsilon: float = Field(gt=0, le=20)
    delta: float = Field(gt=0, le=1e-3)
    privacy_unit: PrivacyUnit
    neighbouring: Neighbouring
    weighting: Weighting
    period_days: int = Field(ge=1, le=3660)
    shops_per_person: int = Field(ge=1, le=100)
    noise: NoisePlacement


class _Rounds(_Strict):
    cohort_floor: int = Field(ge=2, le=10_000)
    quorum: float = Field(gt=0, le=1)
    deadline_seconds: int = Field(ge=5, le=7 * 86_400)
    colluders: int = Field(ge=0, le=8)
    committee_size: int = Field(ge=3, le=9)

    @model_validator(mode="after")
    def _outnumber_colluders(self) -> Self:
        """Refuse a floor or a committee that colluders alone could fill."""
        if self.cohort_floor <= self.colluders:
            raise ValueError("cohort_floor must be more than colluders")
        if self.committee_size <= self.colluders:
            raise ValueError("committee_size must be more than colluders")
        return self


class _Matching(_Strict):
    #: As many as a batched proof can number (`privacy.matching.limits`); what fits is for `matchings.py`.
    identifiers_per_store: int = Field(ge=1, le=(1 << 16) - 2)
    identifier_kind: Literal["email", "loyalty-number"]
    period_days: int = Field(ge=1, le=3660)


class _BiasRule(_Strict):
    name: _SLUG
    metric: Metric
    groups: Annotated[str, Field(pattern=r"^[a-z_]{0,64}$")]
    comparison: Comparison
    direction: Direction
    limit: float = Field(ge=-1, le=1)


class _Overrider(_Strict):
    name: Annotated[
        str, Field(min_length=1, max_length=64), AfterValidator(_printing), AfterValidator(_naming)
    ]
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")


class _BiasLimits(_Strict):
    minimum_group: int = Field(ge=1, le=1_000_000)
    rules: list[_BiasRule] = Field(max_length=32)
    people: list[_Overrider] = Field(max_length=16)

    def to_limits(self) -> BiasLimits:
        return BiasLimits(
            minimum_group=self.minimum_group,
            rules=tuple(BiasRule(**rule.model_dump()) for rule in self.rules),
            people=tuple(Overrider(**one.model_dump()) for one in self.people),
        )


class _Versions(_Strict):
    charter: int = Field(ge=1, le=1)
    rounds: int = Field(ge=1, le=1)


class _Charter(_Strict):
    coop: _Coop
    purposes: _Purposes
    privacy: _Privacy
    rounds: _Rounds
    matching: _Matching | None = None
    bias_limits: _BiasLimits
    versions: _Versions
    schema_: dict[str, Any] = Field(alias="schema")
    programme: dict[str, Any]

    @model_validator(mode="after")
    def _name_the_purpose(self) -> Self:
        """Refuse to match customers for a purpose that the charter does not name."""
        if self.matching is not None and MATCHING not in self.purposes.allowed:
            raise ValueError(f"with a section matching, purposes must allow {MATCHING}")
        return self


def from_document(document: bytes) -> Charter:
    """Read the bytes of a signed charter. Whether it keeps its promise is for `claims.py` to say.

    Raises:
        UnreadableDocumentError: not canonical JSON.
        CharterError: a section or value is unknown, missing, out of range or spelled in another way.
    """
    charter = _read_sections(read_canonical(document, limit_bytes=DOCUMENT_LIMIT_BYTES))
    if charter.document() != document:
        raise CharterError("The charter spells a value in a way that is not its own.")
    return charter


def _read_sections(sections: Mapping[str, object]) -> Charter:
    """Build a charter from plain values by section."""
    try:
        read = _Charter.model_validate(sections)
        plan = ModelPlan.from_dict({**read.programme, "schema": read.schema_})
    except ValidationError as error:
        raise CharterError(f"The charter is not valid: {_first_problem(error)}.") from error
    except (ModelsError, OverflowError) as error:
        raise CharterError(f"The charter's programme is not valid. {error}") from error
    if not all(_PLAIN_NAME.fullmatch(name) for name in (plan.rung, *(phase.name for phase in plan.phases))):
        raise CharterError("The charter's programme has a name of other signs than a to z, 0 to 9, _ and -.")
    limits = read.bias_limits.to_limits()
    refuse_odd_limits(limits)
    refuse_unmeasured(limits, measured_parts(plan))
    return Charter(
        coop=CoopIdentity(**read.coop.model_dump()),
        purposes=tuple(read.purposes.allowed),
        plan=plan,
        privacy=PrivacyTerms(**read.privacy.model_dump()),
        rounds=RoundTerms(**read.rounds.model_dump()),
        bias_limits=limits,
        versions=FormatVersions(**read.versions.model_dump()),
        matching=None if read.matching is None else MatchingTerms(**read.matching.model_dump()),
    )


def from_toml(text: str) -> Charter:
    """Read a charter as people edit it.

    Raises:
        CharterError: not TOML (with the line), or not a charter.
    """
    if len(text) > _TEXT_LIMIT:
        raise CharterError("The charter is far larger than a charter can be.")
    try:
        sections = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CharterError(f"The charter is not valid TOML: {error}.") from error
    return _read_sections(sections)


_COMMENTS = {
    "coop": """
Which co-op this is. The id binds every message and release to it; leave it as it is.""",
    "purposes": """
What members may use their customers' data for, through the co-op. Rounds need coop_learning, and each store
still uses only the customers who said yes to it. With matching, shops may count at how many of them each of
their customers shops, of those who said yes to that too.""",
    "privacy": """
What the co-op promises: over any period_days in a row, all that leaves the shops, in all trainings together,
is (epsilon, delta)-differentially private for each customer of one shop (privacy_unit = "customer_at_store",
weighting = "whole"), or for each person in all of up to shops_per_person shops together (privacy_unit =
"person": with weighting = "one_over_most" each customer's contribution is divided by shops_per_person, in
every shop; with "one_over_shops" by the number of shops the person shops in, as the section matching tells
the shops, and whoever's number is not known, or larger than shops_per_person, adds nothing). Under
"one_over_most" who shops in more shops than that is promised less. One training costs what the phases below
cost: `highstreet coop charter check` recomputes it, and so does every store before it joins. As many
trainings as fit epsilon can be held in period_days, failed ones counted; every store refuses rounds beyond.
Both claims are always printed; for whole contributions the one for a person is the worst case over
shops_per_person shops. noise = once_in_sum: the coordinator sees sums of stores only, and each store adds a
share of the noise.""",
    "rounds": """
A round counts when at least cohort_floor stores and this share (quorum) of the stores asked contributed
within deadline_seconds. It ends early when everybody has answered. The noise is what cohort_floor stores less
the colluders make together: the closer cohort_floor is to the stores that usually take part, the less noise;
but when fewer take part, nothing is learnt. colluders: how many members may work with the
coordinator without learning anything; a store counts only members for whom more than that many vouch, or whom
it has compared a code with itself. committee_size: most members that hold the shares of a sum, 3 to 9.""",
    "matching": """
How shops count at how many of them each of their customers shops, without telling which. Leave this section
out and nobody is matched. identifiers_per_store: the most customers of a shop who take part; others count for
nothing in trainings for persons. identifier_kind: email or loyalty-number. period_days: a shop takes part in
one matching in so many days.""",
    "bias_limits": """
What a release must keep before any shop uses it (docs/bias.md). Each rule takes a figure of the release
(metric), for products or for each of the groups of customers named, less the same figure of popularity, of
the release before (previous), of all other customers (others) or of what customers bought (purchases). The
result, with its interval, must lie at_least or at_most at the limit. A rule that is broken, or that the noise
leaves open, keeps the release back. Two of the people named here can override that together, with a reason
that all shops are shown. minimum_group: groups that do not surely have so many customers are merged with
others, or left out.""",
    "versions": """
Formats in use.""",
    "schema": """
The public feature space: how an attribute of a product becomes a bucket. All shops use the same one.""",
    "programme": """
What every store computes and how it is protected, phase by phase. dimension: numbers sent; clipping_norm:
most that one customer can change them by; noise_multiplier: noise stddev over that norm; sampling_rate:
chance that a customer takes part. Less noise costs more epsilon.""",
}
_HEAD = """The charter of a Highstreet co-op: what is computed about customers, and how they are protected.

Edit it, then: highstreet coop charter check FILE, and highstreet coop charter sign FILE.
What stores accept is the signed form, charter.json. A store refuses a charter over its own limits."""


def to_toml(charter: Charter) -> str:
    """Write a charter for people, each section with what it means; `from_toml` reads it back."""
    return "\n".join(_toml_lines(charter.to_dict())) + "\n"


def _toml_lines(sections: Mapping[str, object]) -> Iterator[str]:
    yield from _comment(_HEAD)
    for name, section in sections.items():
        yield ""
        yield from _comment(_COMMENTS[name])
        yield f"[{name}]"
        values = dict(_mapping(section))
        tables = {key: value for key, value in values.items() if _is_list_of_tables(value)}
        yield from (
            f"{_key(key)} = {_toml_value(value)}" for key, value in values.items() if key not in tables
        )
        for key, rows in tables.items():
            for row in rows if isinstance(rows, list) else []:
                yield from ("", f"[[{name}.{key}]]")
                yield from (f"{_key(entry)} = {_toml_value(value)}" for entry, value in _mapping(row).items())


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}".rstrip() for line in text.strip().splitlines())


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _toml_value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            # JSON's escapes are TOML's too, but for DEL, which the pattern of names leaves out.
            return json.dumps(value)
        case list() | tuple():
            return "[" + ", ".join(_toml_value(item) for item in value) + "]"
        case Mapping():
            pairs = ", ".join(f"{_key(key)} = {_toml_value(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
    raise CharterError(f"A charter cannot hold a value of type {type(value).__name__}.")


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _first_problem(error: ValidationError) -> str:
    """Return where the first problem is and what it is, in one line."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
