"""Limits: the most the secure sum reads or makes of anything, as protos/secure_sum.proto states them."""

from __future__ import annotations

import re

__all__ = [
    "AGREEMENT_LIMIT_BYTES",
    "AGREEMENT_REQUEST_LIMIT_BYTES",
    "ANSWER_LIMIT_BYTES",
    "CONTRIBUTION_LIMIT_BYTES",
    "COOP_ID",
    "EVIDENCE_LIMIT_BYTES",
    "FORMAT_VERSION",
    "HASH_BYTES",
    "HEADER_LIMIT_BYTES",
    "INSPECTION_LIMIT_BYTES",
    "KEY_BYTES",
    "MAX_COMMITTEE",
    "MAX_DIMENSION",
    "MAX_MEMBERS",
    "MEMBER_ID",
    "MIN_COMMITTEE",
    "PROGRAMME_ID",
    "SEED_BYTES",
    "SUM_REQUEST_LIMIT_BYTES",
]

FORMAT_VERSION = 1
CONTRIBUTION_LIMIT_BYTES = 64 << 20
AGREEMENT_REQUEST_LIMIT_BYTES = 2 << 20
AGREEMENT_LIMIT_BYTES = 256
INSPECTION_LIMIT_BYTES = 64 << 10
SUM_REQUEST_LIMIT_BYTES = 512 << 20
ANSWER_LIMIT_BYTES = 17 << 20
EVIDENCE_LIMIT_BYTES = 64 << 20
HEADER_LIMIT_BYTES = 1 << 10
MAX_MEMBERS = 1024
MIN_COMMITTEE = 3
MAX_COMMITTEE = 9
MAX_DIMENSION = 1 << 22
HASH_BYTES = 32
KEY_BYTES = 32
SEED_BYTES = 32
#: How ids look, as `highstreet coop` makes them.
COOP_ID = re.compile(r"[0-9a-f]{32}")
MEMBER_ID = re.compile(r"[0-9a-f]{16}")
PROGRAMME_ID = re.compile(r"[0-9a-f]{16}")
