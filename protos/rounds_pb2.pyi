from highstreet.protos import matching_pb2 as _matching_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RefusalCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_UNSPECIFIED: _ClassVar[RefusalCode]
    REFUSAL_UNREADABLE: _ClassVar[RefusalCode]
    REFUSAL_VERSION: _ClassVar[RefusalCode]
    REFUSAL_SIGNATURE: _ClassVar[RefusalCode]
    REFUSAL_WRONG_COOP: _ClassVar[RefusalCode]
    REFUSAL_CHARTER: _ClassVar[RefusalCode]
    REFUSAL_RELEASE: _ClassVar[RefusalCode]
    REFUSAL_STATE: _ClassVar[RefusalCode]
    REFUSAL_REPEATED: _ClassVar[RefusalCode]
    REFUSAL_DEADLINE: _ClassVar[RefusalCode]
    REFUSAL_BUDGET: _ClassVar[RefusalCode]
    REFUSAL_UNAVAILABLE: _ClassVar[RefusalCode]
    REFUSAL_PARTICIPANTS: _ClassVar[RefusalCode]
    REFUSAL_MATCHING: _ClassVar[RefusalCode]
    REFUSAL_TOO_SOON: _ClassVar[RefusalCode]
REFUSAL_UNSPECIFIED: RefusalCode
REFUSAL_UNREADABLE: RefusalCode
REFUSAL_VERSION: RefusalCode
REFUSAL_SIGNATURE: RefusalCode
REFUSAL_WRONG_COOP: RefusalCode
REFUSAL_CHARTER: RefusalCode
REFUSAL_RELEASE: RefusalCode
REFUSAL_STATE: RefusalCode
REFUSAL_REPEATED: RefusalCode
REFUSAL_DEADLINE: RefusalCode
REFUSAL_BUDGET: RefusalCode
REFUSAL_UNAVAILABLE: RefusalCode
REFUSAL_PARTICIPANTS: RefusalCode
REFUSAL_MATCHING: RefusalCode
REFUSAL_TOO_SOON: RefusalCode

class ReleaseSpec(_message.Message):
    __slots__ = ("mechanism", "clipping_norm", "noise_multiplier", "sampling_rate", "privacy_unit", "neighbouring", "dimension", "grid_step", "share_log2_stddev", "colluders", "weighting", "shops_per_person")
    MECHANISM_FIELD_NUMBER: _ClassVar[int]
    CLIPPING_NORM_FIELD_NUMBER: _ClassVar[int]
    NOISE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_RATE_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_UNIT_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURING_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    GRID_STEP_FIELD_NUMBER: _ClassVar[int]
    SHARE_LOG2_STDDEV_FIELD_NUMBER: _ClassVar[int]
    COLLUDERS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTING_FIELD_NUMBER: _ClassVar[int]
    SHOPS_PER_PERSON_FIELD_NUMBER: _ClassVar[int]
    mechanism: str
    clipping_norm: float
    noise_multiplier: float
    sampling_rate: float
    privacy_unit: str
    neighbouring: str
    dimension: int
    grid_step: float
    share_log2_stddev: int
    colluders: int
    weighting: str
    shops_per_person: int
    def __init__(self, mechanism: _Optional[str] = ..., clipping_norm: _Optional[float] = ..., noise_multiplier: _Optional[float] = ..., sampling_rate: _Optional[float] = ..., privacy_unit: _Optional[str] = ..., neighbouring: _Optional[str] = ..., dimension: _Optional[int] = ..., grid_step: _Optional[float] = ..., share_log2_stddev: _Optional[int] = ..., colluders: _Optional[int] = ..., weighting: _Optional[str] = ..., shops_per_person: _Optional[int] = ...) -> None: ...

class RoundRequest(_message.Message):
    __slots__ = ("format_version", "coop_id", "programme_id", "round", "phase", "charter_sha256", "roster_sha256", "schema_sha256", "state_sha256", "cohort_floor", "opened_unix_seconds", "deadline_unix_seconds", "release", "as_of_day", "participants", "matching_table_sha256", "table")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAMME_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    CHARTER_SHA256_FIELD_NUMBER: _ClassVar[int]
    ROSTER_SHA256_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_SHA256_FIELD_NUMBER: _ClassVar[int]
    STATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    COHORT_FLOOR_FIELD_NUMBER: _ClassVar[int]
    OPENED_UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DAY_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    MATCHING_TABLE_SHA256_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    coop_id: str
    programme_id: str
    round: int
    phase: str
    charter_sha256: bytes
    roster_sha256: bytes
    schema_sha256: bytes
    state_sha256: bytes
    cohort_floor: int
    opened_unix_seconds: int
    deadline_unix_seconds: int
    release: ReleaseSpec
    as_of_day: int
    participants: _containers.RepeatedScalarFieldContainer[str]
    matching_table_sha256: bytes
    table: TableBinding
    def __init__(self, format_version: _Optional[int] = ..., coop_id: _Optional[str] = ..., programme_id: _Optional[str] = ..., round: _Optional[int] = ..., phase: _Optional[str] = ..., charter_sha256: _Optional[bytes] = ..., roster_sha256: _Optional[bytes] = ..., schema_sha256: _Optional[bytes] = ..., state_sha256: _Optional[bytes] = ..., cohort_floor: _Optional[int] = ..., opened_unix_seconds: _Optional[int] = ..., deadline_unix_seconds: _Optional[int] = ..., release: _Optional[_Union[ReleaseSpec, _Mapping]] = ..., as_of_day: _Optional[int] = ..., participants: _Optional[_Iterable[str]] = ..., matching_table_sha256: _Optional[bytes] = ..., table: _Optional[_Union[TableBinding, _Mapping]] = ...) -> None: ...

class TableBinding(_message.Message):
    __slots__ = ("matching_sha256", "keys_sha256")
    MATCHING_SHA256_FIELD_NUMBER: _ClassVar[int]
    KEYS_SHA256_FIELD_NUMBER: _ClassVar[int]
    matching_sha256: bytes
    keys_sha256: bytes
    def __init__(self, matching_sha256: _Optional[bytes] = ..., keys_sha256: _Optional[bytes] = ...) -> None: ...

class SignedRequest(_message.Message):
    __slots__ = ("request", "signature")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    signature: bytes
    def __init__(self, request: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class RoundMessage(_message.Message):
    __slots__ = ("contribute", "agree", "open", "inspect", "match")
    CONTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    AGREE_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    INSPECT_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    contribute: ContributeStep
    agree: SumStep
    open: SumStep
    inspect: SumStep
    match: MatchStep
    def __init__(self, contribute: _Optional[_Union[ContributeStep, _Mapping]] = ..., agree: _Optional[_Union[SumStep, _Mapping]] = ..., open: _Optional[_Union[SumStep, _Mapping]] = ..., inspect: _Optional[_Union[SumStep, _Mapping]] = ..., match: _Optional[_Union[MatchStep, _Mapping]] = ...) -> None: ...

class MatchStep(_message.Message):
    __slots__ = ("request", "offer", "blind", "evaluate", "give", "read")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    OFFER_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    GIVE_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    request: _matching_pb2.SignedMatchingRequest
    offer: bool
    blind: bytes
    evaluate: bytes
    give: bytes
    read: bytes
    def __init__(self, request: _Optional[_Union[_matching_pb2.SignedMatchingRequest, _Mapping]] = ..., offer: _Optional[bool] = ..., blind: _Optional[bytes] = ..., evaluate: _Optional[bytes] = ..., give: _Optional[bytes] = ..., read: _Optional[bytes] = ...) -> None: ...

class BlindCustomers(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ...) -> None: ...

class EvaluateLists(_message.Message):
    __slots__ = ("keys", "lists")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    lists: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ..., lists: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GiveTable(_message.Message):
    __slots__ = ("keys", "evaluations", "table")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    evaluations: _containers.RepeatedScalarFieldContainer[bytes]
    table: SignedRequest
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ..., evaluations: _Optional[_Iterable[bytes]] = ..., table: _Optional[_Union[SignedRequest, _Mapping]] = ...) -> None: ...

class ReadCounts(_message.Message):
    __slots__ = ("table", "evidence")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    table: SignedRequest
    evidence: bytes
    def __init__(self, table: _Optional[_Union[SignedRequest, _Mapping]] = ..., evidence: _Optional[bytes] = ...) -> None: ...

class ContributeStep(_message.Message):
    __slots__ = ("request", "state")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    request: SignedRequest
    state: bytes
    def __init__(self, request: _Optional[_Union[SignedRequest, _Mapping]] = ..., state: _Optional[bytes] = ...) -> None: ...

class SumStep(_message.Message):
    __slots__ = ("request", "message")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    request: SignedRequest
    message: bytes
    def __init__(self, request: _Optional[_Union[SignedRequest, _Mapping]] = ..., message: _Optional[bytes] = ...) -> None: ...

class RoundReply(_message.Message):
    __slots__ = ("format_version", "coop_id", "programme_id", "round", "request_sha256", "member_id", "contribution", "refusal", "match", "attestation")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAMME_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    ATTESTATION_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    coop_id: str
    programme_id: str
    round: int
    request_sha256: bytes
    member_id: str
    contribution: bytes
    refusal: RefusalCode
    match: bytes
    attestation: SignedAttestation
    def __init__(self, format_version: _Optional[int] = ..., coop_id: _Optional[str] = ..., programme_id: _Optional[str] = ..., round: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., member_id: _Optional[str] = ..., contribution: _Optional[bytes] = ..., refusal: _Optional[_Union[RefusalCode, str]] = ..., match: _Optional[bytes] = ..., attestation: _Optional[_Union[SignedAttestation, _Mapping]] = ...) -> None: ...

class SignedAttestation(_message.Message):
    __slots__ = ("attestation", "signature")
    ATTESTATION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    attestation: bytes
    signature: bytes
    def __init__(self, attestation: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class MatchReply(_message.Message):
    __slots__ = ("key", "list", "evaluated", "done")
    KEY_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    list: bytes
    evaluated: bytes
    done: bool
    def __init__(self, key: _Optional[bytes] = ..., list: _Optional[bytes] = ..., evaluated: _Optional[bytes] = ..., done: _Optional[bool] = ...) -> None: ...

class EvaluatedLists(_message.Message):
    __slots__ = ("lists",)
    LISTS_FIELD_NUMBER: _ClassVar[int]
    lists: _containers.RepeatedCompositeFieldContainer[EvaluatedList]
    def __init__(self, lists: _Optional[_Iterable[_Union[EvaluatedList, _Mapping]]] = ...) -> None: ...

class EvaluatedList(_message.Message):
    __slots__ = ("evaluations", "refusal")
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    evaluations: bytes
    refusal: int
    def __init__(self, evaluations: _Optional[bytes] = ..., refusal: _Optional[int] = ...) -> None: ...

class SignedReply(_message.Message):
    __slots__ = ("reply", "signature")
    REPLY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    reply: bytes
    signature: bytes
    def __init__(self, reply: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
