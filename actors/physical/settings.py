"""What a rig's file says of its cameras, and of what the rig makes of their frames."""

from ipaddress import IPv4Address
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(gt=0, le=16)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Roi(_Settings):
    """The part of the sensor that is read out, pixels; a calibration holds for one."""

    x: int = Field(0, ge=0)
    y: int = Field(0, ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class CameraSettings(_Settings):
    """Of one camera; whatever is not said stays as the camera has it.

    Attributes:
        exposure_us: time of exposure, microseconds; automatic exposure is switched off.
        gain_db: amplification, dB; automatic gain is switched off.
        gain_raw: the same in a camera's own units, for those that know no dB.
        white_balance: factors of red, green and blue; automatic white balance is switched off.
        roi: the part of the sensor.
        pixel_format: by its GenICam name, such as ``RGB8`` or ``BayerRG8``.
        frame_rate_hz: at most so many frames a second.
        packet_size: bytes of a network packet: 9000 where every switch on the way takes jumbo frames.
    """

    exposure_us: Positive | None = None
    gain_db: Annotated[float, Field(ge=0)] | None = None
    gain_raw: Annotated[int, Field(ge=0)] | None = None
    white_balance: tuple[Ratio, Ratio, Ratio] | None = None
    roi: Roi | None = None
    pixel_format: str | None = None
    frame_rate_hz: Positive | None = None
    packet_size: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_gain(self) -> Self:
        if self.gain_db is not None and self.gain_raw is not None:
            raise ValueError("gain_db and gain_raw are two words for one thing: say one of them")
        return self


class SoftwareTrigger(_Settings):
    """The host tells each camera by itself."""

    kind: Literal["software"] = "software"


class HardwareTrigger(_Settings):
    """Pulses come on a wire, from outside; the rig takes the next one.

    Attributes:
        line: on which a camera takes it, such as ``Line1``.
        edge: of the pulse.
    """

    kind: Literal["hardware"]
    line: str = "Line1"
    edge: Literal["rising", "falling"] = "rising"


class ActionTrigger(_Settings):
    """One packet to all cameras (GigE Vision action command).

    Attributes:
        device_key: cameras of another key ignore it.
        group_key: cameras of another group ignore it.
        group_mask: likewise, those without a bit of it.
        broadcast: address that it is sent to: of the cameras' subnet.
    """

    kind: Literal["action"]
    device_key: int = Field(1, ge=0, lt=2**32)
    group_key: int = Field(1, ge=0, lt=2**32)
    group_mask: int = Field(1, gt=0, lt=2**32)
    broadcast: IPv4Address = IPv4Address("255.255.255.255")


Trigger = Annotated[SoftwareTrigger | HardwareTrigger | ActionTrigger, Field(discriminator="kind")]


class RigLimits(_Settings):
    """What the rig makes of frames.

    Attributes:
        min_views: with fewer, no frame comes out; a 3-D keypoint needs two.
        max_age_s: no older image comes out.
        view_timeout_s: to get ready, and again for an image to arrive; a view that takes longer is missing.
        pair_within_s: frames of one trigger were exposed within it. At 5 cm/s 20 ms are 1 mm.
        frozen_frames: a view whose image is the same in every byte so many times is frozen: a sensor has noise, also in
            the dark. 0 where images have none, as those of a simulation.
    """

    min_views: int = Field(2, ge=1)
    max_age_s: Positive = 0.25
    view_timeout_s: Positive = 0.15
    pair_within_s: Positive = 0.02
    frozen_frames: int = Field(8, ge=0)
