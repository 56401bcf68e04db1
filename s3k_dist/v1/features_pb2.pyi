from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Features(_message.Message):
    __slots__ = ("cell_id", "sequence", "captured_at_ns", "model_version", "keypoints", "service_time_ns", "embedding")
    CELL_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    KEYPOINTS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    cell_id: str
    sequence: int
    captured_at_ns: int
    model_version: int
    keypoints: _containers.RepeatedCompositeFieldContainer[Keypoint]
    service_time_ns: int
    embedding: Embedding
    def __init__(self, cell_id: _Optional[str] = ..., sequence: _Optional[int] = ..., captured_at_ns: _Optional[int] = ..., model_version: _Optional[int] = ..., keypoints: _Optional[_Iterable[_Union[Keypoint, _Mapping]]] = ..., service_time_ns: _Optional[int] = ..., embedding: _Optional[_Union[Embedding, _Mapping]] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("kind", "model_version", "values")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    kind: str
    model_version: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, kind: _Optional[str] = ..., model_version: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class Keypoint(_message.Message):
    __slots__ = ("name", "position_m", "covariance_m2", "detections")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_M_FIELD_NUMBER: _ClassVar[int]
    COVARIANCE_M2_FIELD_NUMBER: _ClassVar[int]
    DETECTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    position_m: _containers.RepeatedScalarFieldContainer[float]
    covariance_m2: _containers.RepeatedScalarFieldContainer[float]
    detections: _containers.RepeatedCompositeFieldContainer[Detection]
    def __init__(self, name: _Optional[str] = ..., position_m: _Optional[_Iterable[float]] = ..., covariance_m2: _Optional[_Iterable[float]] = ..., detections: _Optional[_Iterable[_Union[Detection, _Mapping]]] = ...) -> None: ...

class Detection(_message.Message):
    __slots__ = ("camera", "u_px", "v_px", "confidence", "residual_px")
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    U_PX_FIELD_NUMBER: _ClassVar[int]
    V_PX_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    RESIDUAL_PX_FIELD_NUMBER: _ClassVar[int]
    camera: str
    u_px: float
    v_px: float
    confidence: float
    residual_px: float
    def __init__(self, camera: _Optional[str] = ..., u_px: _Optional[float] = ..., v_px: _Optional[float] = ..., confidence: _Optional[float] = ..., residual_px: _Optional[float] = ...) -> None: ...
