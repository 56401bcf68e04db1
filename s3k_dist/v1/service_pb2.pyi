from s3k_dist.v1 import features_pb2 as _features_pb2
from s3k_dist.v1 import frame_pb2 as _frame_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExtractRequest(_message.Message):
    __slots__ = ("frame", "group")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    frame: _frame_pb2.Frame
    group: str
    def __init__(self, frame: _Optional[_Union[_frame_pb2.Frame, _Mapping]] = ..., group: _Optional[str] = ...) -> None: ...

class ExtractResponse(_message.Message):
    __slots__ = ("features",)
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    features: _features_pb2.Features
    def __init__(self, features: _Optional[_Union[_features_pb2.Features, _Mapping]] = ...) -> None: ...

class ExtractStreamRequest(_message.Message):
    __slots__ = ("frame", "group")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    frame: _frame_pb2.Frame
    group: str
    def __init__(self, frame: _Optional[_Union[_frame_pb2.Frame, _Mapping]] = ..., group: _Optional[str] = ...) -> None: ...

class ExtractStreamResponse(_message.Message):
    __slots__ = ("features", "refusal")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    features: _features_pb2.Features
    refusal: FrameRefusal
    def __init__(self, features: _Optional[_Union[_features_pb2.Features, _Mapping]] = ..., refusal: _Optional[_Union[FrameRefusal, _Mapping]] = ...) -> None: ...

class FrameRefusal(_message.Message):
    __slots__ = ("sequence", "reason")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    reason: str
    def __init__(self, sequence: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("version", "keypoint_names", "image_size_px", "published_at_ns", "encoder")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KEYPOINT_NAMES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SIZE_PX_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    version: int
    keypoint_names: _containers.RepeatedScalarFieldContainer[str]
    image_size_px: int
    published_at_ns: int
    encoder: EncoderModel
    def __init__(self, version: _Optional[int] = ..., keypoint_names: _Optional[_Iterable[str]] = ..., image_size_px: _Optional[int] = ..., published_at_ns: _Optional[int] = ..., encoder: _Optional[_Union[EncoderModel, _Mapping]] = ...) -> None: ...

class EncoderModel(_message.Message):
    __slots__ = ("kind", "version", "embedding_size", "published_at_ns")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_SIZE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    version: int
    embedding_size: int
    published_at_ns: int
    def __init__(self, kind: _Optional[str] = ..., version: _Optional[int] = ..., embedding_size: _Optional[int] = ..., published_at_ns: _Optional[int] = ...) -> None: ...
