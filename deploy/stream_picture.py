"""``s3k stream show``: one frame of a stream as a picture."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from deploy.stream_tables import open_reader
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.images import Encoding, encode_image
from s3k_dist.stream.record import StreamRecord

GAP_PX = 4
LINE_PX = 16
LEAST_WIDTH_PX = 420  # for the text
INK, PAPER = (30, 30, 30), 245


def write_picture(place: str, frame_id: str, out: Path) -> list[str]:
    """Write all views of a frame side by side, with its record's facts below, as PNG.

    Returns:
        The facts, a line each.

    Raises:
        StorageError: there is no such frame, it is damaged, or ``out`` cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise StorageError(f"{out} cannot be written: expected a name that ends in .png")
    reader = open_reader(place)
    record = reader.read_by_id(frame_id)
    facts = describe_record(record)
    write_atomic(out, encode_image(_picture(record, facts), Encoding.PNG))
    return [*facts, f"written: {out}"]


def describe_record(record: StreamRecord) -> list[str]:
    """What is known of a frame, a line each."""
    frame = record.frame
    at = datetime.fromtimestamp(frame.captured_at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    lines = [
        f"frame {frame.frame_id}, captured {at} UTC",
        f"episode {record.episode_id or '(none)'}, step {record.step}, keypoint model "
        f"{f'v{record.model_version}' if record.model_version else '(none)'}",
    ]
    for view in frame.views:
        late_ms = (view.captured_at_ns - frame.captured_at_ns) / 1e6
        camera = view.camera
        centre = -camera.rotation.T @ camera.translation_m
        lines.append(
            f"{camera.name}: {camera.width_px} x {camera.height_px} px, f {camera.intrinsics[0, 0]:.1f} px, at "
            f"({', '.join(f'{1e3 * x:.0f}' for x in centre)}) mm, {late_ms:+.1f} ms"
        )
    return lines


def _picture(record: StreamRecord, facts: list[str]) -> np.ndarray:
    images = [view.image for view in record.frame.views]
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + GAP_PX * (len(images) - 1)
    below = LINE_PX * len(facts) + 2 * GAP_PX
    page = np.full((height + below, max(width, LEAST_WIDTH_PX), 3), PAPER, np.uint8)
    left = 0
    for image in images:
        page[: image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + GAP_PX
    for number, line in enumerate(facts):
        baseline = height + GAP_PX + LINE_PX * (number + 1) - 4
        cv2.putText(page, line, (GAP_PX, baseline), cv2.FONT_HERSHEY_SIMPLEX, 0.36, INK, 1, cv2.LINE_AA)
    return page
