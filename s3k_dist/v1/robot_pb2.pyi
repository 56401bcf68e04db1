from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GateMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GATE_MODE_UNSPECIFIED: _ClassVar[GateMode]
    GATE_MODE_MOVING: _ClassVar[GateMode]
    GATE_MODE_HOLDING: _ClassVar[GateMode]
    GATE_MODE_STOPPED: _ClassVar[GateMode]
    GATE_MODE_EMERGENCY: _ClassVar[GateMode]
GATE_MODE_UNSPECIFIED: GateMode
GATE_MODE_MOVING: GateMode
GATE_MODE_HOLDING: GateMode
GATE_MODE_STOPPED: GateMode
GATE_MODE_EMERGENCY: GateMode

class RobotState(_message.Message):
    __slots__ = ("sequence", "captured_at_ns", "position_m", "rotation_rad", "twist", "wrench", "opening_m", "mode", "reason")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    POSITION_M_FIELD_NUMBER: _ClassVar[int]
    ROTATION_RAD_FIELD_NUMBER: _ClassVar[int]
    TWIST_FIELD_NUMBER: _ClassVar[int]
    WRENCH_FIELD_NUMBER: _ClassVar[int]
    OPENING_M_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    captured_at_ns: int
    position_m: _containers.RepeatedScalarFieldContainer[float]
    rotation_rad: _containers.RepeatedScalarFieldContainer[float]
    twist: _containers.RepeatedScalarFieldContainer[float]
    wrench: _containers.RepeatedScalarFieldContainer[float]
    opening_m: float
    mode: GateMode
    reason: str
    def __init__(self, sequence: _Optional[int] = ..., captured_at_ns: _Optional[int] = ..., position_m: _Optional[_Iterable[float]] = ..., rotation_rad: _Optional[_Iterable[float]] = ..., twist: _Optional[_Iterable[float]] = ..., wrench: _Optional[_Iterable[float]] = ..., opening_m: _Optional[float] = ..., mode: _Optional[_Union[GateMode, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("name", "has_wrench", "has_gripper", "twist_limit", "step_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HAS_WRENCH_FIELD_NUMBER: _ClassVar[int]
    HAS_GRIPPER_FIELD_NUMBER: _ClassVar[int]
    TWIST_LIMIT_FIELD_NUMBER: _ClassVar[int]
    STEP_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    has_wrench: bool
    has_gripper: bool
    twist_limit: _containers.RepeatedScalarFieldContainer[float]
    step_s: float
    def __init__(self, name: _Optional[str] = ..., has_wrench: _Optional[bool] = ..., has_gripper: _Optional[bool] = ..., twist_limit: _Optional[_Iterable[float]] = ..., step_s: _Optional[float] = ...) -> None: ...

class WatchStateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchStateResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: RobotState
    def __init__(self, state: _Optional[_Union[RobotState, _Mapping]] = ...) -> None: ...

class CommandRequest(_message.Message):
    __slots__ = ("twist", "feature_age_s", "uncertainty_m")
    TWIST_FIELD_NUMBER: _ClassVar[int]
    FEATURE_AGE_S_FIELD_NUMBER: _ClassVar[int]
    UNCERTAINTY_M_FIELD_NUMBER: _ClassVar[int]
    twist: _containers.RepeatedScalarFieldContainer[float]
    feature_age_s: float
    uncertainty_m: float
    def __init__(self, twist: _Optional[_Iterable[float]] = ..., feature_age_s: _Optional[float] = ..., uncertainty_m: _Optional[float] = ...) -> None: ...

class CommandResponse(_message.Message):
    __slots__ = ("mode", "reason")
    MODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    mode: GateMode
    reason: str
    def __init__(self, mode: _Optional[_Union[GateMode, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class HomeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HomeResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: RobotState
    def __init__(self, state: _Optional[_Union[RobotState, _Mapping]] = ...) -> None: ...

class GripRequest(_message.Message):
    __slots__ = ("opening_m", "force_n")
    OPENING_M_FIELD_NUMBER: _ClassVar[int]
    FORCE_N_FIELD_NUMBER: _ClassVar[int]
    opening_m: float
    force_n: float
    def __init__(self, opening_m: _Optional[float] = ..., force_n: _Optional[float] = ...) -> None: ...

class GripResponse(_message.Message):
    __slots__ = ("opening_m",)
    OPENING_M_FIELD_NUMBER: _ClassVar[int]
    opening_m: float
    def __init__(self, opening_m: _Optional[float] = ...) -> None: ...

class StopRequest(_message.Message):
    __slots__ = ("emergency", "reason")
    EMERGENCY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    emergency: bool
    reason: str
    def __init__(self, emergency: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class StopResponse(_message.Message):
    __slots__ = ("mode",)
    MODE_FIELD_NUMBER: _ClassVar[int]
    mode: GateMode
    def __init__(self, mode: _Optional[_Union[GateMode, str]] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ("mode", "reason")
    MODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    mode: GateMode
    reason: str
    def __init__(self, mode: _Optional[_Union[GateMode, str]] = ..., reason: _Optional[str] = ...) -> None: ...
