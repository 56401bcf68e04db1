"""Images as bytes: raw, JPEG or PNG, through OpenCV."""

from enum import Enum

import cv2
import numpy as np

from s3k_dist.errors import FrameError

# Pixels stay where the sensor had them, whatever a file says of its orientation.
DECODE_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
PNG_MAGIC, JPEG_MAGIC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
JPEG_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; the others are tables
JPEG_SCAN = b"\xff\xda"
MOST_CHUNKS, MOST_SCANS = 100_000, 64
MOST_PIXELS = 24_000_000  # of one image; the largest cameras that see a bench have 20 million
JPEG_QUALITY = 92  # for slow networks; the stream is lossless by default


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
    if width_px * height_px > MOST_PIXELS:
        raise FrameError(f"image is {width_px} x {height_px} px; at most {MOST_PIXELS} pixels are taken")
    if encoding is Encoding.RAW:
        expected = height_px * width_px * 3
        if len(data) != expected:
            raise FrameError(f"raw image has {len(data)} bytes, expected {expected} for {width_px} x {height_px} RGB")
        return np.frombuffer(data, np.uint8).reshape(height_px, width_px, 3)
    # The size is read from the header first: a few bytes that claim a giant image must not make anyone allocate it.
    size = _png_size(data) if encoding is Encoding.PNG else _jpeg_size(data)
    if size is not None and size != (width_px, height_px):
        raise FrameError(f"image is {size[0]} x {size[1]} px, its camera says {width_px} x {height_px}")
    try:
        decoded = None if size is None else cv2.imdecode(np.frombuffer(data, np.uint8), DECODE_FLAGS)
    except cv2.error:
        decoded = None
    if decoded is None or decoded.shape != (height_px, width_px, 3):
        raise FrameError(f"the {encoding.name} image is damaged ({len(data)} bytes)")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the header claims, pixels; None if it is no PNG header, or a chunk is longer than the file.

    OpenCV takes memory for a chunk, up to 4 GB, before it looks whether the file has as much.
    """
    if len(data) < 24 or not data.startswith(PNG_MAGIC) or data[12:16] != b"IHDR":
        return None
    at = len(PNG_MAGIC)
    for _ in range(MOST_CHUNKS):
        if at + 12 > len(data):
            break
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if at > len(data):
            return None
    else:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the header claims, pixels; None if no frame header follows the start of the image.

    A progressive image is drawn over and over by its scans, some bytes each: too many of them are no image either.
    """
    at = 2 if data.startswith(JPEG_MAGIC) and data.count(JPEG_SCAN) <= MOST_SCANS else len(data)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in JPEG_FRAME_MARKERS:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length
    return None
