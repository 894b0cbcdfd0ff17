from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class MatchingRequest(_message.Message):
    __slots__ = ("format_version", "coop_id", "matching_id", "charter_sha256", "roster_sha256", "participants", "holders", "identifiers_per_store", "identifier_kind", "opened_unix_seconds", "deadline_unix_seconds")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    MATCHING_ID_FIELD_NUMBER: _ClassVar[int]
    CHARTER_SHA256_FIELD_NUMBER: _ClassVar[int]
    ROSTER_SHA256_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIERS_PER_STORE_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_KIND_FIELD_NUMBER: _ClassVar[int]
    OPENED_UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    coop_id: str
    matching_id: str
    charter_sha256: bytes
    roster_sha256: bytes
    participants: _containers.RepeatedScalarFieldContainer[str]
    holders: _containers.RepeatedScalarFieldContainer[str]
    identifiers_per_store: int
    identifier_kind: str
    opened_unix_seconds: int
    deadline_unix_seconds: int
    def __init__(self, format_version: _Optional[int] = ..., coop_id: _Optional[str] = ..., matching_id: _Optional[str] = ..., charter_sha256: _Optional[bytes] = ..., roster_sha256: _Optional[bytes] = ..., participants: _Optional[_Iterable[str]] = ..., holders: _Optional[_Iterable[str]] = ..., identifiers_per_store: _Optional[int] = ..., identifier_kind: _Optional[str] = ..., opened_unix_seconds: _Optional[int] = ..., deadline_unix_seconds: _Optional[int] = ...) -> None: ...

class SignedMatchingRequest(_message.Message):
    __slots__ = ("request", "signature")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    signature: bytes
    def __init__(self, request: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class HolderKey(_message.Message):
    __slots__ = ("format_version", "coop_id", "matching_id", "request_sha256", "holder_id", "public_key")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    MATCHING_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    HOLDER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    coop_id: str
    matching_id: str
    request_sha256: bytes
    holder_id: str
    public_key: bytes
    def __init__(self, format_version: _Optional[int] = ..., coop_id: _Optional[str] = ..., matching_id: _Optional[str] = ..., request_sha256: _Optional[bytes] = ..., holder_id: _Optional[str] = ..., public_key: _Optional[bytes] = ...) -> None: ...

class SignedHolderKey(_message.Message):
    __slots__ = ("key", "signature")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    signature: bytes
    def __init__(self, key: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class BlindedList(_message.Message):
    __slots__ = ("format_version", "coop_id", "matching_id", "request_sha256", "keys_sha256", "member_id", "elements")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    MATCHING_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    KEYS_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    coop_id: str
    matching_id: str
    request_sha256: bytes
    keys_sha256: bytes
    member_id: str
    elements: bytes
    def __init__(self, format_version: _Optional[int] = ..., coop_id: _Optional[str] = ..., matching_id: _Optional[str] = ..., request_sha256: _Optional[bytes] = ..., keys_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., elements: _Optional[bytes] = ...) -> None: ...

class SignedBlindedList(_message.Message):
    __slots__ = ("list", "signature")
    LIST_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    list: bytes
    signature: bytes
    def __init__(self, list: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Evaluations(_message.Message):
    __slots__ = ("format_version", "coop_id", "matching_id", "request_sha256", "holder_id", "member_id", "list_sha256", "elements", "proof")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    MATCHING_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    HOLDER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    LIST_SHA256_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    coop_id: str
    matching_id: str
    request_sha256: bytes
    holder_id: str
    member_id: str
    list_sha256: bytes
    elements: bytes
    proof: bytes
    def __init__(self, format_version: _Optional[int] = ..., coop_id: _Optional[str] = ..., matching_id: _Optional[str] = ..., request_sha256: _Optional[bytes] = ..., holder_id: _Optional[str] = ..., member_id: _Optional[str] = ..., list_sha256: _Optional[bytes] = ..., elements: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class SignedEvaluations(_message.Message):
    __slots__ = ("evaluations", "signature")
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    evaluations: bytes
    signature: bytes
    def __init__(self, evaluations: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
