"""Limits: the most the matching reads or makes of anything, as protos/matching.proto states them."""

from __future__ import annotations

import re

__all__ = [
    "COOP_ID",
    "ELEMENT_BYTES",
    "FORMAT_VERSION",
    "HASH_BYTES",
    "KEY_LIMIT_BYTES",
    "LIST_LIMIT_BYTES",
    "MATCHING_ID",
    "MAX_IDENTIFIERS",
    "OUTPUT_BYTES",
    "PROOF_BYTES",
    "SCALAR_BYTES",
    "SEED_BYTES",
    "TAG_BYTES",
]

FORMAT_VERSION = 1
ELEMENT_BYTES = 32
SCALAR_BYTES = 32
PROOF_BYTES = 2 * SCALAR_BYTES
HASH_BYTES = 32
SEED_BYTES = 32
OUTPUT_BYTES = 64
TAG_BYTES = 64
#: With the label's, all that a batched proof of RFC 9497 can number in two bytes.
MAX_IDENTIFIERS = (1 << 16) - 2
KEY_LIMIT_BYTES = 512
LIST_LIMIT_BYTES = ELEMENT_BYTES * (MAX_IDENTIFIERS + 1) + (1 << 10)
#: How ids look, as `highstreet coop` makes them.
COOP_ID = re.compile(r"[0-9a-f]{32}")
MATCHING_ID = re.compile(r"[0-9a-f]{16}")
