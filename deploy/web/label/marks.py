"""What a person has marked on one frame, as the page sends it; and how far a frame has come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from s3k_dist.labels.store import Colour, Label, Split

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s/\\\x00-\x1f][^/\\\x00-\x1f]*$")]
Pixel = tuple[float, float]
State = Literal["empty", "begun", "done"]


class Marks(BaseModel):
    """Where the keypoints of one frame are, or are not; the fields are those of `Label`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    clicks: dict[str, dict[str, Pixel]] = {}
    points_m: dict[str, tuple[float, float, float]] = {}
    occluded: dict[str, tuple[str, ...]] = {}
    absent: tuple[str, ...] = ()

    def label(self, frame: str, split: Split, by: str, at: datetime) -> Label | None:
        """As a label; None if nothing is marked.

        Raises:
            ValidationError: the marks contradict one another.
        """
        said = {
            "clicks": {camera: clicks for camera, clicks in self.clicks.items() if clicks},
            "occluded": {camera: tuple(sorted(set(names))) for camera, names in self.occluded.items() if names},
            "points_m": self.points_m,
            "absent": tuple(sorted(set(self.absent))),
        }
        if not any(said.values()):
            return None
        return Label.model_validate({**said, "frame": frame, "split": split, "by": by, "at": at})


class Change(BaseModel):
    """A person's change of one frame.

    Attributes:
        version: of the label that the page showed before; empty for none.
        split: None leaves it to the project: every fifth is held out.
        marks: all of the frame's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(max_length=64)]
    split: Split | None = None
    marks: Marks


class KeypointEntry(BaseModel):
    """One keypoint of the project.

    Attributes:
        name: as in the labels.
        colour: ``#rrggbb``.
        was: its name until now; None if it is new.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    colour: Colour
    was: str | None = None


def state_of(label: Label | None, keypoints: Sequence[str]) -> State:
    """How far a frame has come; an absent keypoint needs no clicks."""
    if label is None:
        return "empty"
    there = [name for name in keypoints if name not in label.absent]
    return "begun" if label.unfinished(there) else "done"


def as_json(label: Label | None) -> dict[str, Any] | None:
    """A label for the page."""
    return None if label is None else label.model_dump(mode="json")
