from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Frame(_message.Message):
    __slots__ = ("cell_id", "sequence", "captured_at_ns", "views")
    CELL_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    cell_id: str
    sequence: int
    captured_at_ns: int
    views: _containers.RepeatedCompositeFieldContainer[View]
    def __init__(self, cell_id: _Optional[str] = ..., sequence: _Optional[int] = ..., captured_at_ns: _Optional[int] = ..., views: _Optional[_Iterable[_Union[View, _Mapping]]] = ...) -> None: ...

class View(_message.Message):
    __slots__ = ("camera", "image", "captured_at_ns")
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    camera: Camera
    image: Image
    captured_at_ns: int
    def __init__(self, camera: _Optional[_Union[Camera, _Mapping]] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., captured_at_ns: _Optional[int] = ...) -> None: ...

class Camera(_message.Message):
    __slots__ = ("name", "width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "distortion", "cam_from_world", "calibration")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    FX_PX_FIELD_NUMBER: _ClassVar[int]
    FY_PX_FIELD_NUMBER: _ClassVar[int]
    CX_PX_FIELD_NUMBER: _ClassVar[int]
    CY_PX_FIELD_NUMBER: _ClassVar[int]
    DISTORTION_FIELD_NUMBER: _ClassVar[int]
    CAM_FROM_WORLD_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: _containers.RepeatedScalarFieldContainer[float]
    cam_from_world: Pose
    calibration: str
    def __init__(self, name: _Optional[str] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., fx_px: _Optional[float] = ..., fy_px: _Optional[float] = ..., cx_px: _Optional[float] = ..., cy_px: _Optional[float] = ..., distortion: _Optional[_Iterable[float]] = ..., cam_from_world: _Optional[_Union[Pose, _Mapping]] = ..., calibration: _Optional[str] = ...) -> None: ...

class Pose(_message.Message):
    __slots__ = ("rotation", "translation_m")
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_M_FIELD_NUMBER: _ClassVar[int]
    rotation: _containers.RepeatedScalarFieldContainer[float]
    translation_m: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, rotation: _Optional[_Iterable[float]] = ..., translation_m: _Optional[_Iterable[float]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("encoding", "data")
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENCODING_UNSPECIFIED: _ClassVar[Image.Encoding]
        ENCODING_RAW_RGB8: _ClassVar[Image.Encoding]
        ENCODING_JPEG: _ClassVar[Image.Encoding]
        ENCODING_PNG: _ClassVar[Image.Encoding]
    ENCODING_UNSPECIFIED: Image.Encoding
    ENCODING_RAW_RGB8: Image.Encoding
    ENCODING_JPEG: Image.Encoding
    ENCODING_PNG: Image.Encoding
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    encoding: Image.Encoding
    data: bytes
    def __init__(self, encoding: _Optional[_Union[Image.Encoding, str]] = ..., data: _Optional[bytes] = ...) -> None: ...
