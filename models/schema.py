"""The feature schema: how a product's public attributes become buckets of a space all shops share.

Shops share no item ids. Each attribute is normalised, hashed under a public seed and reduced to a bucket, so
that two shops that never spoke put the same attribute into the same bucket. The schema is public and part of
the charter. Bucket 0 of every field means "not given"; it never takes part in what is shared.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from stdnum import ean

from highstreet.models.errors import InvalidPlanError

__all__ = ["FIELDS", "FeatureSchema", "normalise_text", "public_gtin"]

#: Attributes that have buckets of their own, in the order used everywhere.
FIELDS = ("category", "product_type", "brand", "maker", "size")
_MAX_BUCKETS = 1 << 20
_MAX_PRICE_EDGES = 64
#: The hash is keyed with the seed's eight bytes, signed.
_SEEDS = range(-(2**63), 2**63)
_GTIN_LENGTHS = (8, 12, 13, 14)


def normalise_text(text: str) -> str:
    """Fold case, accents' encodings and white space, so that spelling by hand differs less.

    >>> normalise_text("  Frozen   PIZZA ")
    'frozen pizza'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def public_gtin(gtin: str) -> str:
    """Return a GTIN as 14 digits when it names a product everywhere, else the empty string.

    Restricted numbers (in-store codes, variable weight, coupons: GS1 prefixes 02, 04, 05, 2x, 98, 99, and
    the short in-store GTIN-8 that begin with 0 or 2) mean something else in every shop and are not public
    names.

    >>> public_gtin("4006381333931"), public_gtin("4006381333932"), public_gtin("2000000000015")
    ('04006381333931', '', '')
    """
    digits = gtin.strip()
    if len(digits) not in _GTIN_LENGTHS or not digits.isascii() or not digits.isdigit():
        return ""
    full = digits.zfill(14)
    if not ean.is_valid(full):
        return ""
    if len(digits) == 8 and digits[0] in "02":
        return ""
    company = full[1:]
    if company.startswith(("02", "04", "05", "2", "98", "99")) or int(full) == 0:
        return ""
    return full


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSchema:
    """The public feature space.

    Attributes:
        version: of the meaning of this schema; 1 is the only one known.
        hash_name: hash function; `blake2b` is the only one known.
        hash_seed: public seed that keys the hash; a signed number of 64 bits.
        key_buckets: number of buckets for products' public keys (GTIN, else descriptors).
        category_buckets, product_type_buckets, brand_buckets, maker_buckets, size_buckets: per field.
        price_edges: ascending shelf prices that separate the price bands.
    """

    version: int = 1
    hash_name: str = "blake2b"
    hash_seed: int = 20170101
    key_buckets: int = 65536
    category_buckets: int = 1024
    product_type_buckets: int = 4096
    brand_buckets: int = 1024
    maker_buckets: int = 4096
    size_buckets: int = 2048
    price_edges: tuple[float, ...] = field(default=(1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 15.0))

    def __post_init__(self) -> None:
        if self.version != 1 or self.hash_name != "blake2b":
            raise InvalidPlanError(
                f"Feature schema version {self.version} with hash {self.hash_name!r} is not known here.",
                next_step="Update Highstreet, or ask the coordinator for a charter with schema version 1.",
            )
        if self.hash_seed not in _SEEDS:
            raise InvalidPlanError("The schema's hash_seed must fit into eight bytes.")
        for name in ("key", *FIELDS):
            if not 2 <= self.buckets(name) <= _MAX_BUCKETS:
                raise InvalidPlanError(f"The schema's number of buckets for {name} is out of range.")
        edges = self.price_edges
        ascending = all(low < high for low, high in itertools.pairwise(edges))
        if len(edges) > _MAX_PRICE_EDGES or not ascending or not all(map(math.isfinite, edges)):
            raise InvalidPlanError("The schema's price edges must be finite and ascend.")

    def buckets(self, name: str) -> int:
        """Return the number of buckets of `key` or of a field, bucket 0 (not given) included."""
        return int(getattr(self, f"{name}_buckets"))

    @property
    def price_bands(self) -> int:
        """Number of price bands, band 0 (no price) included."""
        return len(self.price_edges) + 2

    def bucket(self, name: str, text: str) -> int:
        """Return the bucket of an attribute's text: 0 when empty, else 1 to `buckets(name) - 1`."""
        folded = normalise_text(text)
        return self._hash(name, folded) if folded else 0

    def price_band(self, price: float | None) -> int:
        """Return the price band: 0 without a usable price, else 1 plus the number of edges at or below."""
        if price is None or not math.isfinite(price) or price < 0:
            return 0
        return 1 + bisect.bisect_right(self.price_edges, price)

    def shared_key(self, *, gtin: str, descriptors: tuple[str, ...]) -> int:
        """Return the bucket of the public key: the GTIN when public, else the descriptors; 0 with neither."""
        public = public_gtin(gtin)
        if public:
            return self._hash("key", "gtin:" + public)
        folded = [normalise_text(part) for part in descriptors]
        return self._hash("key", "text:" + "\x1f".join(folded)) if any(folded) else 0

    def canonical_json(self) -> str:
        """Return the one JSON text of this schema: sorted keys, no spaces."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    def sha256(self) -> str:
        """Return the hex SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Return plain values only, fit for TOML, JSON and the wire."""
        plain = asdict(self)
        plain["price_edges"] = list(self.price_edges)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, object]) -> FeatureSchema:
        """Build a schema from plain values; unknown keys, missing keys and wrong types are refused."""
        names = {f.name for f in fields(cls)}
        if set(plain) != names:
            odd = sorted(set(plain) ^ names)
            raise InvalidPlanError(
                f"The feature schema has unknown or missing entries: {', '.join(map(str, odd))}."
            )
        values: dict[str, object] = {}
        for name, value in plain.items():
            values[name] = _checked(name, value)
        return cls(**values)  # type: ignore[arg-type]  # each value was checked against its field above

    def _hash(self, name: str, text: str) -> int:
        digest = hashlib.blake2b(
            f"{name}\x1e{text}".encode(), digest_size=8, key=self.hash_seed.to_bytes(8, "big", signed=True)
        ).digest()
        return 1 + int.from_bytes(digest, "big") % (self.buckets(name) - 1)


def _checked(name: str, value: object) -> object:
    if name == "price_edges":
        if not isinstance(value, list | tuple):
            raise InvalidPlanError("The schema's price edges must be a list of numbers.")
        edges: list[float] = []
        for edge in value:
            if isinstance(edge, bool) or not isinstance(edge, int | float):
                raise InvalidPlanError("The schema's price edges must be a list of numbers.")
            edges.append(float(edge))
        return tuple(edges)
    wanted = str if name == "hash_name" else int
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise InvalidPlanError(f"The schema's entry {name} must be of type {wanted.__name__}.")
    return value
