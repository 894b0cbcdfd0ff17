from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SumRefusalCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUM_REFUSAL_UNSPECIFIED: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_UNREADABLE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_VERSION: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_COORDINATOR_SIGNATURE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_OTHER_REQUEST: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_NOT_ADDRESSED: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_FLOOR: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_SECOND_SET: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_UNKNOWN_CONTRIBUTOR: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_REPEATED_CONTRIBUTOR: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_CONTRIBUTOR_SIGNATURE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_OTHER_COOP: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_REPLAYED: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_COMMITTEE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_DIMENSION: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_OWN_CONTRIBUTION: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_BOX_COUNT: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_BOX_SIZE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_BOX_DIGEST: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_LOW_ORDER_KEY: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_BOX_SEAL: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_SHARE_RANGE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_NOT_ON_COMMITTEE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_MEMBER_SIGNATURE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_OTHER_SET: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_REPEATED_ANSWER: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_ANSWER_SIZE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_UNAVAILABLE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_FEW_AGREEMENTS: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_REPEATED_AGREEMENT: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_AGREEMENT_SEAT: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_AGREEMENT_SIGNATURE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_AGREEMENT_REQUEST: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_AGREEMENT_COMMITTEE: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_AGREEMENT_SET: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_INSPECTION: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_FEW_ANSWERS: _ClassVar[SumRefusalCode]
    SUM_REFUSAL_CONTRADICTION: _ClassVar[SumRefusalCode]
SUM_REFUSAL_UNSPECIFIED: SumRefusalCode
SUM_REFUSAL_UNREADABLE: SumRefusalCode
SUM_REFUSAL_VERSION: SumRefusalCode
SUM_REFUSAL_COORDINATOR_SIGNATURE: SumRefusalCode
SUM_REFUSAL_OTHER_REQUEST: SumRefusalCode
SUM_REFUSAL_NOT_ADDRESSED: SumRefusalCode
SUM_REFUSAL_FLOOR: SumRefusalCode
SUM_REFUSAL_SECOND_SET: SumRefusalCode
SUM_REFUSAL_UNKNOWN_CONTRIBUTOR: SumRefusalCode
SUM_REFUSAL_REPEATED_CONTRIBUTOR: SumRefusalCode
SUM_REFUSAL_CONTRIBUTOR_SIGNATURE: SumRefusalCode
SUM_REFUSAL_OTHER_COOP: SumRefusalCode
SUM_REFUSAL_REPLAYED: SumRefusalCode
SUM_REFUSAL_COMMITTEE: SumRefusalCode
SUM_REFUSAL_DIMENSION: SumRefusalCode
SUM_REFUSAL_OWN_CONTRIBUTION: SumRefusalCode
SUM_REFUSAL_BOX_COUNT: SumRefusalCode
SUM_REFUSAL_BOX_SIZE: SumRefusalCode
SUM_REFUSAL_BOX_DIGEST: SumRefusalCode
SUM_REFUSAL_LOW_ORDER_KEY: SumRefusalCode
SUM_REFUSAL_BOX_SEAL: SumRefusalCode
SUM_REFUSAL_SHARE_RANGE: SumRefusalCode
SUM_REFUSAL_NOT_ON_COMMITTEE: SumRefusalCode
SUM_REFUSAL_MEMBER_SIGNATURE: SumRefusalCode
SUM_REFUSAL_OTHER_SET: SumRefusalCode
SUM_REFUSAL_REPEATED_ANSWER: SumRefusalCode
SUM_REFUSAL_ANSWER_SIZE: SumRefusalCode
SUM_REFUSAL_UNAVAILABLE: SumRefusalCode
SUM_REFUSAL_FEW_AGREEMENTS: SumRefusalCode
SUM_REFUSAL_REPEATED_AGREEMENT: SumRefusalCode
SUM_REFUSAL_AGREEMENT_SEAT: SumRefusalCode
SUM_REFUSAL_AGREEMENT_SIGNATURE: SumRefusalCode
SUM_REFUSAL_AGREEMENT_REQUEST: SumRefusalCode
SUM_REFUSAL_AGREEMENT_COMMITTEE: SumRefusalCode
SUM_REFUSAL_AGREEMENT_SET: SumRefusalCode
SUM_REFUSAL_INSPECTION: SumRefusalCode
SUM_REFUSAL_FEW_ANSWERS: SumRefusalCode
SUM_REFUSAL_CONTRADICTION: SumRefusalCode

class ContributionHeader(_message.Message):
    __slots__ = ("format_version", "coop_id", "request_sha256", "contributor_id", "committee_sha256", "dimension", "ephemeral_public_key", "box_sha256")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITTEE_SHA256_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    BOX_SHA256_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    coop_id: str
    request_sha256: bytes
    contributor_id: str
    committee_sha256: bytes
    dimension: int
    ephemeral_public_key: bytes
    box_sha256: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, format_version: _Optional[int] = ..., coop_id: _Optional[str] = ..., request_sha256: _Optional[bytes] = ..., contributor_id: _Optional[str] = ..., committee_sha256: _Optional[bytes] = ..., dimension: _Optional[int] = ..., ephemeral_public_key: _Optional[bytes] = ..., box_sha256: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("header", "signature", "boxes")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    header: bytes
    signature: bytes
    boxes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, header: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., boxes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SumHeader(_message.Message):
    __slots__ = ("header", "signature")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    header: bytes
    signature: bytes
    def __init__(self, header: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SumEntry(_message.Message):
    __slots__ = ("header", "signature", "box")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    header: bytes
    signature: bytes
    box: bytes
    def __init__(self, header: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., box: _Optional[bytes] = ...) -> None: ...

class SumInspectionRequest(_message.Message):
    __slots__ = ("format_version", "request_sha256", "member_id", "entries", "signature")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    request_sha256: bytes
    member_id: str
    entries: _containers.RepeatedCompositeFieldContainer[SumEntry]
    signature: bytes
    def __init__(self, format_version: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[SumEntry, _Mapping]]] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SumFindings(_message.Message):
    __slots__ = ("set_sha256", "bad_header_sha256")
    SET_SHA256_FIELD_NUMBER: _ClassVar[int]
    BAD_HEADER_SHA256_FIELD_NUMBER: _ClassVar[int]
    set_sha256: bytes
    bad_header_sha256: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, set_sha256: _Optional[bytes] = ..., bad_header_sha256: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SumInspection(_message.Message):
    __slots__ = ("format_version", "request_sha256", "member_id", "committee_sha256", "findings", "refusal")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITTEE_SHA256_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    request_sha256: bytes
    member_id: str
    committee_sha256: bytes
    findings: SumFindings
    refusal: SumRefusalCode
    def __init__(self, format_version: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., committee_sha256: _Optional[bytes] = ..., findings: _Optional[_Union[SumFindings, _Mapping]] = ..., refusal: _Optional[_Union[SumRefusalCode, str]] = ...) -> None: ...

class SignedSumInspection(_message.Message):
    __slots__ = ("inspection", "signature")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    inspection: bytes
    signature: bytes
    def __init__(self, inspection: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SumAgreementRequest(_message.Message):
    __slots__ = ("format_version", "request_sha256", "member_id", "headers", "signature")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    request_sha256: bytes
    member_id: str
    headers: _containers.RepeatedCompositeFieldContainer[SumHeader]
    signature: bytes
    def __init__(self, format_version: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[SumHeader, _Mapping]]] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SumAgreement(_message.Message):
    __slots__ = ("format_version", "request_sha256", "member_id", "committee_sha256", "set_sha256", "refusal")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITTEE_SHA256_FIELD_NUMBER: _ClassVar[int]
    SET_SHA256_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    request_sha256: bytes
    member_id: str
    committee_sha256: bytes
    set_sha256: bytes
    refusal: SumRefusalCode
    def __init__(self, format_version: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., committee_sha256: _Optional[bytes] = ..., set_sha256: _Optional[bytes] = ..., refusal: _Optional[_Union[SumRefusalCode, str]] = ...) -> None: ...

class SignedSumAgreement(_message.Message):
    __slots__ = ("agreement", "signature")
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    agreement: bytes
    signature: bytes
    def __init__(self, agreement: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SumRequest(_message.Message):
    __slots__ = ("format_version", "request_sha256", "member_id", "entries", "signature", "agreements")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    request_sha256: bytes
    member_id: str
    entries: _containers.RepeatedCompositeFieldContainer[SumEntry]
    signature: bytes
    agreements: _containers.RepeatedCompositeFieldContainer[SignedSumAgreement]
    def __init__(self, format_version: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[SumEntry, _Mapping]]] = ..., signature: _Optional[bytes] = ..., agreements: _Optional[_Iterable[_Union[SignedSumAgreement, _Mapping]]] = ...) -> None: ...

class SumAnswer(_message.Message):
    __slots__ = ("format_version", "request_sha256", "member_id", "set_sha256", "values", "refusal")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    SET_SHA256_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    request_sha256: bytes
    member_id: str
    set_sha256: bytes
    values: bytes
    refusal: SumRefusalCode
    def __init__(self, format_version: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., set_sha256: _Optional[bytes] = ..., values: _Optional[bytes] = ..., refusal: _Optional[_Union[SumRefusalCode, str]] = ...) -> None: ...

class SignedSumAnswer(_message.Message):
    __slots__ = ("answer", "signature")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    answer: bytes
    signature: bytes
    def __init__(self, answer: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SumEvidence(_message.Message):
    __slots__ = ("format_version", "request_sha256", "headers", "answers")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    request_sha256: bytes
    headers: _containers.RepeatedCompositeFieldContainer[SumHeader]
    answers: _containers.RepeatedCompositeFieldContainer[SignedSumAnswer]
    def __init__(self, format_version: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., headers: _Optional[_Iterable[_Union[SumHeader, _Mapping]]] = ..., answers: _Optional[_Iterable[_Union[SignedSumAnswer, _Mapping]]] = ...) -> None: ...
