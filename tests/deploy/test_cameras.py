"""``s3k cameras`` as a person uses it: what there is, what they see, how sharp it is."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from actors.physical.emulated import VARIABLE, ImageFeed
from actors.physical.rig import CameraRig
from deploy.cameras.preview import CamerasServer, Preview
from deploy.cameras.sharpness import Focus, PeakHold
from deploy.cli import main
from deploy.rig_file import open_rig, read_rig_file
from s3k_dist.images import Encoding, decode_image

GUARD_S = 60.0
SIZE_PX = 64
SERIALS = {"left": "0815-0000", "right": "0815-0001"}
PATIENCE = {"view_timeout_s": GUARD_S, "max_age_s": GUARD_S, "pair_within_s": GUARD_S}


@pytest.fixture
def rig_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    path = tmp_path / "rig.yaml"
    content = {
        "emulated": 2,
        "cameras": {name: {"serial": serial} for name, serial in SERIALS.items()},
        "settings": {"pixel_format": "RGB8", "roi": {"width": SIZE_PX, "height": SIZE_PX}},
        "limits": PATIENCE,
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def seen(rig_file: Path) -> Iterator[tuple[CameraRig, ImageFeed]]:
    with ImageFeed(SERIALS.values()) as feed:
        for serial in SERIALS.values():
            feed.show(serial, stripes())
        with open_rig(read_rig_file(rig_file), feed) as rig:
            yield rig, feed


def stripes(blur: float = 0.0) -> np.ndarray:
    image = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    image[:, ::8] = image[:, 1::8] = (200, 120, 60)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), blur)) if blur else image


def test_cameras_are_listed_with_their_names_and_a_missing_one_is_told(
    rig_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cameras", "list", str(rig_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["left", "0815-0000", "basler"],
        ["right", "0815-0001", "basler"],
    ]
    content = yaml.safe_load(rig_file.read_text())
    content["cameras"]["right"]["serial"] = "40012345"
    rig_file.write_text(yaml.safe_dump(content))
    assert main(["cameras", "list", str(rig_file)]) == 1
    assert "missing: right, 40012345" in capsys.readouterr().out


def test_without_cameras_the_list_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("actors.physical.basler.find_baslers", list)
    monkeypatch.setattr("actors.physical.opencv_camera.find_opencv", list)
    assert main(["cameras", "list"]) == 0
    assert "no cameras: is the cable in" in capsys.readouterr().out


def test_a_missing_rig_file_and_a_missing_camera_are_one_line(
    rig_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cameras", "preview", str(tmp_path / "no.yaml")]) == 1
    assert "no rig file" in capsys.readouterr().err
    rig_file.write_text(rig_file.read_text().replace("0815-0001", "40012345"))
    assert main(["cameras", "focus", str(rig_file)]) == 1
    assert "s3k: no Basler camera 40012345; there are: 0815-0000, 0815-0001" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["preview", "focus"])
def test_one_picture_can_be_saved(verb: str, rig_file: Path, tmp_path: Path) -> None:
    assert main(["cameras", verb, str(rig_file), "--save", str(tmp_path / "views.png")]) == 0
    picture = cv2.imread(str(tmp_path / "views.png"))
    assert picture is not None
    height, width = picture.shape[:2]
    assert width > 2 * 400
    assert (height > 540) == (verb == "focus")


def test_the_page_is_served_until_ctrl_c(rig_file: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "cameras", "preview", str(rig_file)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.fullmatch(r"http://127.0.0.1:(\d+)/\?token=(\S+)\n", process.stdout.readline())
            assert found is not None
            port, token = int(found[1]), found[2]
            assert request(port, "GET", f"/?token={token}")[0] == 200
            assert request(port, "GET", "/state?token=wrong")[0] == 403
            process.send_signal(signal.SIGINT)
            assert process.wait(GUARD_S) == 0
        finally:
            process.kill()


def test_the_page_shows_what_the_cameras_see_and_what_is_missing(seen: tuple[CameraRig, ImageFeed]) -> None:
    rig, _ = seen
    preview = Preview(rig, SERIALS, focus=False)
    with CamerasServer(preview) as server:
        token = f"token={server.token}"
        assert state(server)["missing"] == {"left": "no image yet", "right": "no image yet"}
        preview.look()
        assert state(server) == {
            "focus": False,
            "cameras": 2,
            "missing": {},
            "sets": 1,
            "counts": {"complete": 1, "partial": 0, "too_few": 0, "unpaired": 0},
        }
        status, kind, picture = request(server.port, "GET", f"/picture?{token}")
        assert (status, kind) == (200, "image/jpeg")
        bright = decoded(picture)
        assert bright[40:400].max() > 150
        rig.close()
        preview.look()
        missing = state(server)["missing"]
        assert set(missing) == {"left", "right"}
        dimmed = decoded(request(server.port, "GET", f"/picture?{token}")[2])
        assert dimmed[100:200].max() < bright[100:200].max(), "what was seen last is not taken for now"
        page = request(server.port, "GET", f"/?{token}")[2].decode()
        assert "/* cameras" not in page
        for elsewhere in ("http://", "https://", "//cdn", "src=", "@import"):
            assert elsewhere not in page
        assert request(server.port, "GET", f"/nowhere?{token}")[0] == 404
        assert request(server.port, "POST", f"/nowhere?{token}", b"{}")[0] == 404


def test_a_lens_is_turned_past_the_best_and_back(seen: tuple[CameraRig, ImageFeed]) -> None:
    rig, feed = seen
    preview = Preview(rig, SERIALS, focus=True)
    shares = []
    for blur in (1.5, 0.0, 1.5):
        feed.show(SERIALS["left"], stripes(blur))
        preview.look()
        tile = preview.tiles()[0]
        assert tile.focus is not None
        shares.append(tile.focus.sharpness / tile.best)
    assert shares[:2] == [1.0, 1.0]
    assert shares[2] < 0.5
    with CamerasServer(preview) as server:
        assert request(server.port, "POST", f"/reset?token={server.token}", b"{}")[0] == 200
    assert preview.tiles()[0].focus is not None
    assert preview.tiles()[0].best == preview.tiles()[0].focus.sharpness


def test_sharpness_falls_with_blur_and_hardly_grows_with_noise() -> None:
    values = [Focus.of(stripes(blur)).sharpness for blur in (0.0, 0.7, 1.5, 3.0)]
    assert values == sorted(values, reverse=True)
    noisy = np.clip(stripes(1.5) + np.random.default_rng(0).normal(0, 2, (SIZE_PX, SIZE_PX, 3)), 0, 255).astype(
        np.uint8
    )
    assert Focus.of(noisy).sharpness < 1.5 * values[2] + 10


def test_what_is_lost_in_black_and_white_is_counted() -> None:
    image = np.full((10, 10, 3), 128, np.uint8)
    image[:2] = 0
    image[2:5, :, 0] = 255
    focus = Focus.of(image)
    assert (focus.black, focus.white) == (0.2, 0.3)
    np.testing.assert_allclose(focus.histogram.sum(axis=1), 1)
    assert focus.histogram[0, -1] == 0.3
    assert focus.histogram[1, 32] == 0.8


def test_a_peak_is_held_until_it_is_reset() -> None:
    peak = PeakHold()
    assert [peak.add(value) for value in (5.0, 10.0, 4.0)] == [1.0, 1.0, 0.4]
    peak.reset()
    assert peak.add(3.0) == 1.0


def request(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GUARD_S)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def state(server: CamerasServer) -> dict[str, Any]:
    return json.loads(request(server.port, "GET", f"/state?token={server.token}")[2])


def decoded(picture: bytes) -> np.ndarray:
    shape = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape
    return decode_image(picture, Encoding.JPEG, shape[1], shape[0])
