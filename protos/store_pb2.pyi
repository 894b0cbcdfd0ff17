from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AnswerRequest(_message.Message):
    __slots__ = ("format_version", "message")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    message: bytes
    def __init__(self, format_version: _Optional[int] = ..., message: _Optional[bytes] = ...) -> None: ...

class AnswerReply(_message.Message):
    __slots__ = ("format_version", "answer")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    answer: bytes
    def __init__(self, format_version: _Optional[int] = ..., answer: _Optional[bytes] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("format_version",)
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    def __init__(self, format_version: _Optional[int] = ...) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("format_version", "version", "member_id", "coop_id", "rounds_answered", "rounds_refused", "last_round", "active_release", "started_unix_seconds", "release_trouble", "retention_trouble")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    COOP_ID_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_REFUSED_FIELD_NUMBER: _ClassVar[int]
    LAST_ROUND_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_RELEASE_FIELD_NUMBER: _ClassVar[int]
    STARTED_UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    RETENTION_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    version: str
    member_id: str
    coop_id: str
    rounds_answered: int
    rounds_refused: int
    last_round: str
    active_release: int
    started_unix_seconds: int
    release_trouble: str
    retention_trouble: str
    def __init__(self, format_version: _Optional[int] = ..., version: _Optional[str] = ..., member_id: _Optional[str] = ..., coop_id: _Optional[str] = ..., rounds_answered: _Optional[int] = ..., rounds_refused: _Optional[int] = ..., last_round: _Optional[str] = ..., active_release: _Optional[int] = ..., started_unix_seconds: _Optional[int] = ..., release_trouble: _Optional[str] = ..., retention_trouble: _Optional[str] = ...) -> None: ...
