"""A data set of plush toys, the pages that serve it, and a real browser that looks at them."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import uvicorn

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from deploy.web.access import Access
from deploy.web.app import create_app
from deploy.web.label.predictions import Predictions
from deploy.web.label.project import LabelProject
from s3k_dist.access.tokens import Role, Tokens
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.labels.editing import redefine_keypoints
from s3k_dist.labels.store import LabelFile, load_labels

FRAMES, SIZE_PX = 8, 256
NAMES = ("head", "tail", "body")
SECRETS = {role: f"the-secret-of-the-{role.name.lower()}" for role in Role}
SUGGESTED_OFF_PX = 2.0


@dataclass(frozen=True)
class Toys:
    """A data set with its truth, and without labels at the start of each test."""

    folder: DatasetFolder
    truth_m: dict[str, dict[str, np.ndarray]]

    def frame(self, frame_id: str) -> MultiViewFrame:
        return self.folder.open_stream().read_by_id(frame_id).frame

    def pixel(self, frame_id: str, camera: str, name: str) -> np.ndarray:
        """Where the truth is in a view."""
        cameras = {each.name: each for each in self.frame(frame_id).cameras}
        point = torch.from_numpy(self.truth_m[frame_id][name])[None]
        return project(point, Cameras.stack([cameras[camera]]))[0][0, 0].numpy()

    def labels(self) -> LabelFile:
        return load_labels(self.folder.labels)

    def begin(self) -> None:
        self.folder.labels.unlink(missing_ok=True)
        redefine_keypoints(self.folder.labels, NAMES, {}, {})


class NearTruth(Predictions):
    """Suggests the truth, two pixels off; nothing in the last view."""

    def __init__(self, toys: Toys) -> None:
        super().__init__(toys.folder.root / "models")
        self._toys = toys

    @property
    def version(self) -> int | None:
        return 7

    def of(self, frame: MultiViewFrame) -> dict[str, Any]:
        views: dict[str, dict[str, list[float]]] = {}
        for camera in frame.cameras[:-1]:
            for name in NAMES:
                u, v = self._toys.pixel(frame.frame_id, camera.name, name)
                views.setdefault(camera.name, {})[name] = [float(u) + SUGGESTED_OFF_PX, float(v), 0.9]
        return {"version": 7, "views": views}


class Everybody(Tokens):
    """One token for each role."""

    def holder(self, secret: str) -> Any:
        for role, own in SECRETS.items():
            found = Tokens.of_one(own, role.name.lower(), role).holder(secret)
            if found is not None:
                return found
        return None


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Toys:
    folder = DatasetFolder(tmp_path_factory.mktemp("web") / "plush")
    simulate(SceneSpec("plush", seed=1, size_px=SIZE_PX), FRAMES, LabelPlan(train=FRAMES), folder)
    truth = {
        label.frame: {name: np.array(point) for name, point in label.points_m.items()}
        for label in load_labels(folder.labels).labels
    }
    return Toys(folder, truth)


@pytest.fixture
def project_of(toys: Toys) -> LabelProject:
    toys.begin()
    return LabelProject(toys.folder, NearTruth(toys))


@pytest.fixture(scope="module")
def address(toys: Toys) -> Iterator[str]:
    """Of a server in a thread, until the module ends."""
    toys.begin()
    access = Access(Everybody(None), cookie="s3k_test")
    app = create_app(LabelProject(toys.folder, NearTruth(toys)), access, names=("127.0.0.1",))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")  # its event loop stays in this thread for as long as it lasts
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on the PATH, and CHROMIUM names none: the pages are not tested in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        alone = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = driver.chromium.launch(executable_path=chromium, args=alone)
        yield opened
        opened.close()
