"""Images as bytes: raw, JPEG or PNG, through OpenCV."""

from enum import Enum

import cv2
import numpy as np

from s3k_dist.errors import FrameError

JPEG_QUALITY = 92  # keeps keypoints of the cable cell within 0.1 px of the lossless image


class Encoding(Enum):
    """How an image is held in bytes; the values are those of the wire."""

    RAW = 1
    JPEG = 2
    PNG = 3


def encode_image(image: np.ndarray, encoding: Encoding) -> bytes:
    """RGB uint8 (height, width, 3) to bytes."""
    if encoding is Encoding.RAW:
        return image.tobytes()
    suffix, options = (".png", []) if encoding is Encoding.PNG else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise FrameError(f"OpenCV could not encode an image of shape {image.shape} as {encoding.name}")
    return data.tobytes()


def decode_image(data: bytes, encoding: Encoding, width_px: int, height_px: int) -> np.ndarray:
    """Bytes to RGB uint8, shape (height_px, width_px, 3).

    Raises:
        FrameError: the bytes are damaged or hold an image of another size.
    """
    if encoding is Encoding.RAW:
        expected = height_px * width_px * 3
        if len(data) != expected:
            raise FrameError(f"raw image has {len(data)} bytes, expected {expected} for {width_px} x {height_px} RGB")
        return np.frombuffer(data, np.uint8).reshape(height_px, width_px, 3)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if decoded is None:
        raise FrameError(f"the {encoding.name} image is damaged ({len(data)} bytes)")
    if decoded.shape[:2] != (height_px, width_px):
        raise FrameError(
            f"image is {decoded.shape[1]} x {decoded.shape[0]} px, its camera says {width_px} x {height_px}"
        )
    return np.ascontiguousarray(decoded[..., ::-1])
