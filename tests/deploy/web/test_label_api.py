"""What the Label page asks, without a browser."""

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from deploy.web.access import Access
from deploy.web.app import create_app
from deploy.web.label.project import LabelProject
from s3k_dist.access.tokens import Role
from s3k_dist.labels.store import Label, TakenOver, save_labels
from tests.deploy.web.conftest import NAMES, SECRETS, Everybody, Toys

HOST = "127.0.0.1"
FRAME = "/label/frames/plush/0"


@pytest.fixture
def client(project_of: LabelProject) -> Iterator[TestClient]:
    app = create_app(project_of, Access(Everybody(None), cookie="s3k_test"), names=(HOST,))
    headers = {"Authorization": f"Bearer {SECRETS[Role.LABELLER]}"}
    with TestClient(app, base_url=f"http://{HOST}", headers=headers) as client:
        yield client


def put(client: TestClient, marks: dict[str, object], version: str = "", frame: str = FRAME, **more: object) -> int:
    answer = client.put(f"{frame}/label", json={"version": version, "marks": marks, **more})
    return answer.status_code


def test_images_arrive_as_the_camera_saw_them(client: TestClient, toys: Toys) -> None:
    frame = toys.frame("plush/00000000")
    for view in frame.views:
        data = client.get(f"{FRAME}/views/{view.camera.name}.png").content
        image = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.array_equal(image, view.image)
    assert len(client.get(f"{FRAME}/thumbnail.png").content) < len(data)
    assert client.get(f"{FRAME}/views/top.png").status_code == 404
    assert client.get("/label/frames/plush/99").status_code == 404
    assert client.get("/label/frames/plush/18446744073709551616").status_code == 422


def test_the_split_goes_to_every_fifth_frame_and_can_be_changed(client: TestClient) -> None:
    splits = []
    for sequence in range(5):
        address = f"/label/frames/plush/{sequence}"
        shown = client.get(address).json()["split"]
        assert put(client, {"clicks": {"cam0": {"head": [1, 2]}}}, frame=address) == 200
        splits.append(client.get(address).json()["split"])
        assert splits[-1] == shown
    assert splits == ["train"] * 4 + ["held_out"]
    version = client.get(FRAME).json()["version"]
    assert put(client, {"clicks": {"cam0": {"head": [1, 2]}}}, version, split="held_out") == 200
    overview = client.get("/label/project").json()
    assert overview["split"] == {"train": 3, "held_out": 2}
    assert overview["begun"] == 5


def test_two_who_label_one_frame_at_once_are_told(client: TestClient, toys: Toys) -> None:
    together, statuses = threading.Barrier(2), []

    def label(u: float) -> None:
        together.wait(20)
        statuses.append(put(client, {"clicks": {"cam0": {"head": [u, 2]}}}))

    people = [threading.Thread(target=label, args=(float(u),)) for u in (1, 2)]
    for person in people:
        person.start()
    for person in people:
        person.join(20)
    assert sorted(statuses) == [200, 409]
    assert len(toys.labels().labels) == 1
    answer = client.put(f"{FRAME}/label", json={"version": "", "marks": {"absent": ["tail"]}})
    assert answer.json()["now"]["label"]["by"] == "labeller"


def test_who_only_looks_does_not_become_who_labelled(client: TestClient, toys: Toys) -> None:
    given = Label(frame="plush/00000000", split="train", clicks={"cam0": {"head": (1, 2)}}, by="anna")
    save_labels(toys.folder.labels, NAMES, [given])
    version = client.get(FRAME).json()["version"]
    assert put(client, {"clicks": {"cam0": {"head": [1, 2]}, "cam1": {}}}, version) == 200
    assert toys.labels().labels == (given,)


def test_taking_the_last_mark_away_takes_the_label_away(client: TestClient, toys: Toys) -> None:
    assert put(client, {"absent": ["head"]}) == 200
    assert put(client, {"clicks": {"cam0": {}}}, client.get(FRAME).json()["version"]) == 200
    assert toys.labels().labels == ()


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        ({"clicks": {"cam9": {"head": [1, 2]}}}, "has no camera 'cam9'"),
        ({"clicks": {"cam0": {"nose": [1, 2]}}}, "unknown keypoint 'nose'"),
        ({"clicks": {"cam0": {"head": [1, 256]}}}, "outside the image of cam0"),
        ({"clicks": {"cam0": {"head": [1, "x"]}}}, "marks.clicks.cam0.head.1"),
        ({"clicks": {"cam0": {"head": [1, 2]}}, "absent": ["head"]}, "is absent, and yet somewhere"),
        ({"by": "somebody else"}, "Extra inputs are not permitted"),
    ],
)
def test_marks_that_cannot_be_are_refused(client: TestClient, toys: Toys, marks: dict[str, object], says: str) -> None:
    answer = client.put(f"{FRAME}/label", json={"version": "", "marks": marks})
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    assert toys.labels().labels == ()


def test_points_given_in_the_world_are_drawn_until_a_click_overrules_them(client: TestClient, toys: Toys) -> None:
    point = toys.truth_m["plush/00000000"]["head"]
    guide = client.post(f"{FRAME}/guides", json={"points_m": {"head": point.tolist()}}).json()["head"]
    for camera, view in guide["views"].items():
        assert np.allclose(view["pixel"], toys.pixel("plush/00000000", camera, "head"), atol=1e-3)
        assert "residual_px" not in view


def test_clicks_that_give_no_point_are_told(client: TestClient) -> None:
    # Both cameras look at the table; far above their middles the rays part.
    apart = {"clicks": {"cam0": {"head": [0, 0]}, "cam1": {"head": [255, 0]}}}
    guide = client.post(f"{FRAME}/guides", json=apart).json()["head"]
    assert guide["warning"]


def test_labels_of_still_scenes_are_counted_apart(client: TestClient, toys: Toys) -> None:
    given = Label(
        frame="plush/00000000", split="train", clicks={c: dict.fromkeys(NAMES, (1, 2)) for c in ("cam0", "cam1")}
    )
    origin = TakenOver(frame=given.frame, age_s=1, residual_px=0.1)
    other = given.model_copy(update={"frame": "plush/00000001", "taken_over": origin})
    save_labels(toys.folder.labels, NAMES, [given, other])
    overview = client.get("/label/project").json()
    assert (overview["labelled"], overview["taken_over"]) == (1, 1)
    assert [each["frame"] for each in overview["done"]] == [given.frame]


def test_a_damaged_label_file_is_told_and_left_alone(client: TestClient, toys: Toys) -> None:
    toys.folder.labels.write_bytes(b"{")
    assert client.get("/label/project").status_code == 404
    assert put(client, {"absent": ["head"]}) == 422
    assert toys.folder.labels.read_bytes() == b"{"
