from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CoopRefusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COOP_REFUSAL_UNSPECIFIED: _ClassVar[CoopRefusal]
    COOP_REFUSAL_VERSION: _ClassVar[CoopRefusal]
    COOP_REFUSAL_UNREADABLE: _ClassVar[CoopRefusal]
    COOP_REFUSAL_POSSESSION: _ClassVar[CoopRefusal]
    COOP_REFUSAL_INVITE: _ClassVar[CoopRefusal]
    COOP_REFUSAL_INVITE_USED: _ClassVar[CoopRefusal]
    COOP_REFUSAL_INVITE_EXPIRED: _ClassVar[CoopRefusal]
    COOP_REFUSAL_TOO_MANY: _ClassVar[CoopRefusal]
    COOP_REFUSAL_ALREADY_MEMBER: _ClassVar[CoopRefusal]
    COOP_REFUSAL_NOT_A_MEMBER: _ClassVar[CoopRefusal]
    COOP_REFUSAL_NO_RELEASE: _ClassVar[CoopRefusal]
    COOP_REFUSAL_UNAVAILABLE: _ClassVar[CoopRefusal]
    COOP_REFUSAL_CHARTER: _ClassVar[CoopRefusal]
    COOP_REFUSAL_NO_SUCH_MEMBER: _ClassVar[CoopRefusal]
    COOP_REFUSAL_VOUCH: _ClassVar[CoopRefusal]
    COOP_REFUSAL_LOG_RANGE: _ClassVar[CoopRefusal]
    COOP_REFUSAL_WITNESS: _ClassVar[CoopRefusal]

class VouchingStep(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOUCHING_STEP_UNSPECIFIED: _ClassVar[VouchingStep]
    VOUCHING_STEP_OFFER: _ClassVar[VouchingStep]
    VOUCHING_STEP_ANSWER: _ClassVar[VouchingStep]
    VOUCHING_STEP_OPENING: _ClassVar[VouchingStep]
COOP_REFUSAL_UNSPECIFIED: CoopRefusal
COOP_REFUSAL_VERSION: CoopRefusal
COOP_REFUSAL_UNREADABLE: CoopRefusal
COOP_REFUSAL_POSSESSION: CoopRefusal
COOP_REFUSAL_INVITE: CoopRefusal
COOP_REFUSAL_INVITE_USED: CoopRefusal
COOP_REFUSAL_INVITE_EXPIRED: CoopRefusal
COOP_REFUSAL_TOO_MANY: CoopRefusal
COOP_REFUSAL_ALREADY_MEMBER: CoopRefusal
COOP_REFUSAL_NOT_A_MEMBER: CoopRefusal
COOP_REFUSAL_NO_RELEASE: CoopRefusal
COOP_REFUSAL_UNAVAILABLE: CoopRefusal
COOP_REFUSAL_CHARTER: CoopRefusal
COOP_REFUSAL_NO_SUCH_MEMBER: CoopRefusal
COOP_REFUSAL_VOUCH: CoopRefusal
COOP_REFUSAL_LOG_RANGE: CoopRefusal
COOP_REFUSAL_WITNESS: CoopRefusal
VOUCHING_STEP_UNSPECIFIED: VouchingStep
VOUCHING_STEP_OFFER: VouchingStep
VOUCHING_STEP_ANSWER: VouchingStep
VOUCHING_STEP_OPENING: VouchingStep

class SignedDocument(_message.Message):
    __slots__ = ("kind", "document", "signature")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    document: bytes
    signature: bytes
    def __init__(self, kind: _Optional[str] = ..., document: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class HelloRequest(_message.Message):
    __slots__ = ("format_versions",)
    FORMAT_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    format_versions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, format_versions: _Optional[_Iterable[int]] = ...) -> None: ...

class HelloReply(_message.Message):
    __slots__ = ("format_version", "software_version", "coop_id", "coop_name")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_VERSION_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    COOP_NAME_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    software_version: str
    coop_id: str
    coop_name: str
    def __init__(self, format_version: _Optional[int] = ..., software_version: _Optional[str] = ..., coop_id: _Optional[str] = ..., coop_name: _Optional[str] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("format_version", "invite_id", "invite_secret", "certificate_request_der", "signing_public_key", "node_public_key", "possession_signature", "accepted_charter_sha256", "encryption_public_key")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    INVITE_ID_FIELD_NUMBER: _ClassVar[int]
    INVITE_SECRET_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_REQUEST_DER_FIELD_NUMBER: _ClassVar[int]
    SIGNING_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    NODE_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    POSSESSION_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_CHARTER_SHA256_FIELD_NUMBER: _ClassVar[int]
    ENCRYPTION_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    invite_id: str
    invite_secret: bytes
    certificate_request_der: bytes
    signing_public_key: bytes
    node_public_key: bytes
    possession_signature: bytes
    accepted_charter_sha256: bytes
    encryption_public_key: bytes
    def __init__(self, format_version: _Optional[int] = ..., invite_id: _Optional[str] = ..., invite_secret: _Optional[bytes] = ..., certificate_request_der: _Optional[bytes] = ..., signing_public_key: _Optional[bytes] = ..., node_public_key: _Optional[bytes] = ..., possession_signature: _Optional[bytes] = ..., accepted_charter_sha256: _Optional[bytes] = ..., encryption_public_key: _Optional[bytes] = ...) -> None: ...

class JoinReply(_message.Message):
    __slots__ = ("member_id", "client_certificate_pem", "ca_certificate_pem", "charter", "roster", "coordinator_public_key", "superlink_address", "member_address")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CERTIFICATE_PEM_FIELD_NUMBER: _ClassVar[int]
    CA_CERTIFICATE_PEM_FIELD_NUMBER: _ClassVar[int]
    CHARTER_FIELD_NUMBER: _ClassVar[int]
    ROSTER_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SUPERLINK_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    client_certificate_pem: bytes
    ca_certificate_pem: bytes
    charter: SignedDocument
    roster: SignedDocument
    coordinator_public_key: bytes
    superlink_address: str
    member_address: str
    def __init__(self, member_id: _Optional[str] = ..., client_certificate_pem: _Optional[bytes] = ..., ca_certificate_pem: _Optional[bytes] = ..., charter: _Optional[_Union[SignedDocument, _Mapping]] = ..., roster: _Optional[_Union[SignedDocument, _Mapping]] = ..., coordinator_public_key: _Optional[bytes] = ..., superlink_address: _Optional[str] = ..., member_address: _Optional[str] = ...) -> None: ...

class CharterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RosterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RosterReply(_message.Message):
    __slots__ = ("roster", "vouches", "withdrawals")
    ROSTER_FIELD_NUMBER: _ClassVar[int]
    VOUCHES_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWALS_FIELD_NUMBER: _ClassVar[int]
    roster: SignedDocument
    vouches: _containers.RepeatedCompositeFieldContainer[Vouch]
    withdrawals: _containers.RepeatedCompositeFieldContainer[Withdrawal]
    def __init__(self, roster: _Optional[_Union[SignedDocument, _Mapping]] = ..., vouches: _Optional[_Iterable[_Union[Vouch, _Mapping]]] = ..., withdrawals: _Optional[_Iterable[_Union[Withdrawal, _Mapping]]] = ...) -> None: ...

class Vouch(_message.Message):
    __slots__ = ("voucher_id", "subject_id", "signature", "replaces")
    VOUCHER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    voucher_id: str
    subject_id: str
    signature: bytes
    replaces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, voucher_id: _Optional[str] = ..., subject_id: _Optional[str] = ..., signature: _Optional[bytes] = ..., replaces: _Optional[_Iterable[str]] = ...) -> None: ...

class Withdrawal(_message.Message):
    __slots__ = ("voucher_id", "subject_id", "signature")
    VOUCHER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    voucher_id: str
    subject_id: str
    signature: bytes
    def __init__(self, voucher_id: _Optional[str] = ..., subject_id: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class VouchingMessage(_message.Message):
    __slots__ = ("member_id", "step", "commitment", "nonce")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    step: VouchingStep
    commitment: bytes
    nonce: bytes
    def __init__(self, member_id: _Optional[str] = ..., step: _Optional[_Union[VouchingStep, str]] = ..., commitment: _Optional[bytes] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class SendVouchingReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchVouchingRequest(_message.Message):
    __slots__ = ("after",)
    AFTER_FIELD_NUMBER: _ClassVar[int]
    after: int
    def __init__(self, after: _Optional[int] = ...) -> None: ...

class FetchVouchingReply(_message.Message):
    __slots__ = ("messages", "last", "roster_number", "vouch_number")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    ROSTER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    VOUCH_NUMBER_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[VouchingMessage]
    last: int
    roster_number: int
    vouch_number: int
    def __init__(self, messages: _Optional[_Iterable[_Union[VouchingMessage, _Mapping]]] = ..., last: _Optional[int] = ..., roster_number: _Optional[int] = ..., vouch_number: _Optional[int] = ...) -> None: ...

class PutVouchRequest(_message.Message):
    __slots__ = ("vouch",)
    VOUCH_FIELD_NUMBER: _ClassVar[int]
    vouch: Vouch
    def __init__(self, vouch: _Optional[_Union[Vouch, _Mapping]] = ...) -> None: ...

class PutVouchReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WithdrawVouchRequest(_message.Message):
    __slots__ = ("withdrawal",)
    WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    withdrawal: Withdrawal
    def __init__(self, withdrawal: _Optional[_Union[Withdrawal, _Mapping]] = ...) -> None: ...

class WithdrawVouchReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LatestReleaseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReleaseManifest(_message.Message):
    __slots__ = ("number", "manifest", "previous", "log_index")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    number: int
    manifest: SignedDocument
    previous: SignedDocument
    log_index: int
    def __init__(self, number: _Optional[int] = ..., manifest: _Optional[_Union[SignedDocument, _Mapping]] = ..., previous: _Optional[_Union[SignedDocument, _Mapping]] = ..., log_index: _Optional[int] = ...) -> None: ...

class DownloadReleaseRequest(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class ReleaseChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeaveReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckpointRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckpointReply(_message.Message):
    __slots__ = ("checkpoint", "cosigned")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    COSIGNED_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    cosigned: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, checkpoint: _Optional[bytes] = ..., cosigned: _Optional[_Iterable[bytes]] = ...) -> None: ...

class EntriesRequest(_message.Message):
    __slots__ = ("first", "count")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class EntriesReply(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, entries: _Optional[_Iterable[bytes]] = ...) -> None: ...

class InclusionProofRequest(_message.Message):
    __slots__ = ("index", "size")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    index: int
    size: int
    def __init__(self, index: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class ConsistencyProofRequest(_message.Message):
    __slots__ = ("first", "second")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    first: int
    second: int
    def __init__(self, first: _Optional[int] = ..., second: _Optional[int] = ...) -> None: ...

class ProofReply(_message.Message):
    __slots__ = ("hashes",)
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class PutCosignatureRequest(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    def __init__(self, checkpoint: _Optional[bytes] = ...) -> None: ...

class PutCosignatureReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CosignCheckpointRequest(_message.Message):
    __slots__ = ("checkpoint", "known_size", "hashes")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_SIZE_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    known_size: int
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, checkpoint: _Optional[bytes] = ..., known_size: _Optional[int] = ..., hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CosignCheckpointReply(_message.Message):
    __slots__ = ("checkpoint", "known_size")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_SIZE_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    known_size: int
    def __init__(self, checkpoint: _Optional[bytes] = ..., known_size: _Optional[int] = ...) -> None: ...
