"""Images as bytes: what comes back, and what is refused before it costs anything."""

import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.errors import FrameError
from s3k_dist.images import Encoding, decode_image, encode_image

WIDTH, HEIGHT = 48, 64
COMPRESSED = [Encoding.PNG, Encoding.JPEG]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 4)


@pytest.mark.parametrize("encoding", [Encoding.RAW, Encoding.PNG])
def test_raw_and_png_are_lossless(image: np.ndarray, encoding: Encoding) -> None:
    np.testing.assert_array_equal(decode_image(encode_image(image, encoding), encoding, WIDTH, HEIGHT), image)


def test_jpeg_keeps_colours_and_their_order() -> None:
    orange = np.full((HEIGHT, WIDTH, 3), (230, 120, 20), np.uint8)
    decoded = decode_image(encode_image(orange, Encoding.JPEG), Encoding.JPEG, WIDTH, HEIGHT)
    assert np.abs(decoded.astype(int) - orange).max() <= 3


@pytest.mark.parametrize("encoding", list(Encoding))
def test_an_image_of_another_size_is_refused(image: np.ndarray, encoding: Encoding) -> None:
    data = encode_image(image, encoding)
    with pytest.raises(
        FrameError, match="expected 9600 for 50 x 64" if encoding is Encoding.RAW else "image is 48 x 64 px"
    ):
        decode_image(data, encoding, 50, HEIGHT)


def test_a_small_file_that_claims_a_giant_image_is_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a giant image reached the decoder")

    png = png_that_claims(30_000, 30_000)
    jpeg = bytearray(encode_image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), Encoding.JPEG))
    frame_header = jpeg.index(b"\xff\xc0")
    jpeg[frame_header + 5 : frame_header + 9] = (60_000).to_bytes(2, "big") * 2
    monkeypatch.setattr(cv2, "imdecode", refuse)
    with pytest.raises(FrameError, match="image is 30000 x 30000 px, its camera says 48 x 64"):
        decode_image(png, Encoding.PNG, WIDTH, HEIGHT)
    with pytest.raises(FrameError, match="image is 60000 x 60000 px"):
        decode_image(bytes(jpeg), Encoding.JPEG, WIDTH, HEIGHT)


def test_a_giant_image_that_its_camera_claims_too_is_refused() -> None:
    with pytest.raises(FrameError, match="at most 24000000 pixels are taken"):
        decode_image(png_that_claims(10**6, 10**6), Encoding.PNG, 10**6, 10**6)


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("kept", [0, 1, 20, 0.5, 0.99])
def test_a_truncated_image_is_refused(image: np.ndarray, encoding: Encoding, kept: float) -> None:
    data = encode_image(image, encoding)
    cut = kept if isinstance(kept, int) else int(kept * len(data))
    with pytest.raises(FrameError, match=f"the {encoding.name} image is damaged"):
        decode_image(data[:cut], encoding, WIDTH, HEIGHT)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_another_format_than_was_said_is_refused(image: np.ndarray, encoding: Encoding) -> None:
    other = Encoding.PNG if encoding is Encoding.JPEG else Encoding.JPEG
    with pytest.raises(FrameError, match="damaged"):
        decode_image(encode_image(image, other), encoding, WIDTH, HEIGHT)


@given(st.sampled_from(COMPRESSED), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_whatever_the_bytes_the_answer_is_an_image_or_a_frame_error(encoding: Encoding, at: int, noise: bytes) -> None:
    data = bytearray(encode_image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), encoding))
    at %= len(data)
    data[at : at + len(noise)] = noise
    try:
        decoded = decode_image(bytes(data), encoding, WIDTH, HEIGHT)
    except FrameError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert decoded.shape == (HEIGHT, WIDTH, 3)
        assert decoded.dtype == np.uint8


def png_that_claims(width: int, height: int) -> bytes:
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk
