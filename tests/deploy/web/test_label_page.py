"""The Label page as a person uses it, in a real browser: what they see, and what is in the store afterwards."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from deploy.train_keypoints import Training, training_set
from s3k_dist.access.tokens import Role
from s3k_dist.labels.editing import label_version, put_label
from s3k_dist.labels.store import Label
from tests.deploy.web.conftest import NAMES, SUGGESTED_OFF_PX, Toys
from tests.deploy.web.desk import Desk, new_context


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """One browser for most tests: what a frame shows is kept, as for a person who works through a list."""
    opened = new_context(browser)
    yield opened
    opened.close()


@pytest.fixture
def desk(browser: Any, context: Any, address: str, toys: Toys) -> Iterator[Desk]:
    toys.begin()
    with Desk(browser, address, toys, context=context) as desk:
        yield desk


def stored(toys: Toys, frame: str) -> Label:
    return next(label for label in toys.labels().labels if label.frame == frame)


def test_clicks_end_within_a_pixel_in_the_store_and_give_the_point(desk: Desk, toys: Toys) -> None:
    first, second, third, _ = desk.cameras()
    for camera in (first, second):
        desk.click(camera, desk.truth(camera, "head"))
    label = stored(toys, desk.frame)
    for camera in (first, second):
        assert np.linalg.norm(np.array(label.clicks[camera]["head"]) - desk.truth(camera, "head")) < 1
    assert label.by == "labeller"
    assert label.at is not None
    assert abs((datetime.now(UTC) - label.at).total_seconds()) < 3600
    desk.until("/ mm ±/.test(document.getElementById('point').textContent)")
    shown = [float(each) for each in desk.page.inner_text("#point").split(" mm")[0].split(",")]
    assert np.linalg.norm(np.array(shown) / 1000 - toys.truth_m[desk.frame]["head"]) < 0.004
    for camera in (first, second):
        what, px, mm = desk.reading(camera)
        assert what == "clicked"
        assert float(px) < 1
        assert float(mm) < 5
    assert desk.reading(third)[1:] == ["", ""]


# Whether a pixel of the tail's colour is within one image pixel of where the tail is.
LINE_IS_NEAR = """([camera, [u, v]]) => {
    const canvas = document.querySelector(`[data-camera=${camera}] canvas`);
    const { scale, left, top } = canvas.dataset, dense = devicePixelRatio;
    const x = (Number(left) + (u + 0.5) * scale) * dense, y = (Number(top) + (v + 0.5) * scale) * dense;
    const reach = Math.ceil(scale * dense);
    const { data } = canvas.getContext("2d").getImageData(x - reach, y - reach, 2 * reach, 2 * reach);
    for (let i = 0; i < data.length; i += 4)
        if (Math.hypot(data[i] - 0x4f, data[i + 1] - 0xd2, data[i + 2] - 0xff) < 16) return true;
    return false;
}"""


def test_the_guide_line_of_a_click_passes_by_the_true_point(desk: Desk) -> None:
    first, *others = desk.cameras()
    desk.press("2")  # the tail: its blue is nowhere near it in the images
    places = [[camera, [float(each) for each in desk.truth(camera, "tail")]] for camera in others]
    assert not any(desk.page.evaluate(LINE_IS_NEAR, place) for place in places)
    desk.click(first, desk.truth(first, "tail"))
    for place in places:
        desk.until(LINE_IS_NEAR, place)


def test_views_that_disagree_are_told_and_a_drag_puts_it_right(desk: Desk, toys: Toys) -> None:
    cameras = desk.cameras()
    wrong = desk.truth(cameras[3], "head") + np.array([18, -14])
    for camera in cameras[:3]:
        desk.click(camera, desk.truth(camera, "head"))
    desk.click(cameras[3], wrong)
    desk.page.wait_for_selector("#warning:not([hidden])")
    assert f"{cameras[3]} contradicts the other views" in desk.page.inner_text("#warning")
    desk.page.mouse.move(*desk.screen(cameras[3], wrong))
    desk.page.mouse.down()
    desk.page.mouse.move(*desk.screen(cameras[3], desk.truth(cameras[3], "head")), steps=6)
    desk.page.mouse.up()
    desk.page.wait_for_selector("#warning", state="hidden")
    desk.stored()
    at = stored(toys, desk.frame).clicks[cameras[3]]["head"]
    assert np.linalg.norm(np.array(at) - desk.truth(cameras[3], "head")) < 1


def test_undo_and_redo_reach_the_store(desk: Desk, toys: Toys) -> None:
    first, second, *_ = desk.cameras()
    desk.click(first, (100, 100))
    desk.click(second, (120, 90))
    full = stored(toys, desk.frame).clicks
    desk.press("Control+z")
    desk.stored()
    desk.page.wait_for_selector("#redo:enabled")
    assert set(stored(toys, desk.frame).clicks) == {first}
    desk.press("Control+z")
    desk.page.wait_for_selector("#undo:disabled")
    desk.stored()
    assert not toys.labels().labels
    desk.press("Control+y", "Control+Shift+Z")
    desk.page.wait_for_selector("#redo:disabled")
    desk.stored()
    assert stored(toys, desk.frame).clicks == full


def test_a_frame_is_labelled_by_keyboard_alone(desk: Desk, toys: Toys) -> None:
    cameras, frame = desk.cameras(), desk.frame
    start = {camera: desk.truth(camera, "body") + np.array([SUGGESTED_OFF_PX, 0]) for camera in cameras[:2]}
    desk.until("document.querySelector('#readings').textContent.includes('suggested')")
    desk.press("3", "ArrowLeft", "ArrowLeft", "Alt+ArrowUp", "Enter")  # the cursor begins at the suggestion
    desk.press("v", "ArrowLeft", "Shift+ArrowDown", "Enter", "Shift+ArrowUp")
    desk.press("v", "o", "1", "n", "h")
    desk.stored()
    label = stored(toys, frame)
    assert np.allclose(label.clicks[cameras[0]]["body"], start[cameras[0]] + (-1, -0.1), atol=0.02)
    assert np.allclose(label.clicks[cameras[1]]["body"], start[cameras[1]], atol=0.02)
    assert label.occluded == {cameras[2]: ("body",)}
    assert label.absent == ("head",)
    assert label.split == "held_out"
    desk.press("d")
    desk.until("frame => document.getElementById('frame-name').textContent !== frame", arg=frame)
    desk.press("a")
    desk.shown(frame)
    desk.press("3", "v", "v", "x")  # round to the first view
    desk.stored()
    desk.press("e")
    assert desk.page.inner_text("#current") == "head"
    assert set(stored(toys, frame).clicks) == {cameras[1]}


def test_suggestions_are_stored_only_when_they_are_accepted(desk: Desk, toys: Toys) -> None:
    cameras = desk.cameras()
    desk.page.wait_for_selector("#accept:enabled")
    assert desk.reading(cameras[0]) == ["suggested", "", ""]
    assert desk.reading(cameras[3]) == ["", "", ""]
    desk.press("e", "q")  # a person looks around
    assert not toys.labels().labels
    desk.click(cameras[0], desk.truth(cameras[0], "head"))
    desk.press("Space")
    desk.page.wait_for_selector("#accept:disabled")
    desk.stored()
    label = stored(toys, desk.frame)
    off = [
        np.linalg.norm(np.array(label.clicks[camera]["head"]) - desk.truth(camera, "head")) for camera in cameras[:3]
    ]
    assert off[0] < 1  # the click stands
    assert off[1:] == pytest.approx([SUGGESTED_OFF_PX] * 2, abs=0.02)
    desk.press("Shift+Space")
    desk.page.wait_for_selector("#accept-all:disabled")
    desk.stored()
    label = stored(toys, desk.frame)
    assert all(set(label.clicks[camera]) == set(NAMES) for camera in cameras[:3])
    desk.until("document.getElementById('labelled').textContent === '1'")


def test_what_a_person_clicks_is_what_a_model_trains_on(desk: Desk, toys: Toys) -> None:
    """With a hand that errs by 1.5 px, through to the tensors of `s3k train keypoints`."""
    rng, cameras, frame = np.random.default_rng(0), desk.cameras(), desk.frame
    for number, name in enumerate(NAMES, start=1):
        desk.press(str(number))
        for camera in cameras[:3]:
            desk.click(camera, desk.truth(camera, name) + rng.normal(scale=1.5, size=2))
    given = training_set(Training(toys.folder.root, recipe="s3k", steps=1, seed=0))
    assert given.held_out is None
    (points,) = given.labelled.points_m.numpy()
    truth = np.stack([toys.truth_m[frame][name] for name in NAMES])
    assert np.linalg.norm(points - truth, axis=1).max() < 0.02  # a pixel is 3 mm there


def test_a_zoomed_view_is_clicked_to_a_tenth_of_a_pixel(desk: Desk, toys: Toys) -> None:
    first = desk.cameras()[0]
    aim = np.array([101.3, 77.7])
    desk.page.mouse.move(*desk.screen(first, aim))
    desk.page.mouse.wheel(0, -1500)
    desk.until(
        "camera => Number(document.querySelector(`[data-camera=${camera}] canvas`).dataset.scale) > 15", arg=first
    )
    before = desk.screen(first, aim)
    desk.page.mouse.down(button="middle")
    desk.page.mouse.move(before[0] + 40, before[1] - 25, steps=4)
    desk.page.mouse.up(button="middle")
    desk.page.wait_for_timeout(50)
    desk.click(first, aim)
    assert np.allclose(stored(toys, desk.frame).clicks[first]["head"], aim, atol=0.1)
    assert desk.screen(first, aim)[0] == pytest.approx(before[0] + 40, abs=2)


def test_what_another_changed_meanwhile_is_shown_and_never_lost(desk: Desk, toys: Toys) -> None:
    first, second, *_ = desk.cameras()
    frame = desk.frame

    def annas(u: float, version: str) -> Label:
        label = Label(frame=frame, split="train", clicks={second: {"tail": (u, 20.0)}}, by="anna")
        put_label(toys.folder.labels, frame, label, version)
        return label

    hers = annas(10.0, "")
    desk.page.mouse.click(*desk.screen(first, (50, 60)))
    desk.page.wait_for_selector("#conflict:not([hidden])")
    assert "anna has changed this frame" in desk.page.inner_text("#conflict")
    assert stored(toys, frame) == hers
    desk.page.click("#take-theirs")
    desk.stored()
    assert stored(toys, frame) == hers
    desk.click(first, (50, 60))  # now on top of hers
    mine = stored(toys, frame)
    assert set(mine.clicks) == {first, second}
    annas(30.0, label_version(mine))
    desk.page.mouse.click(*desk.screen(second, (70, 80)))
    desk.page.wait_for_selector("#conflict:not([hidden])")
    desk.page.click("#keep-mine")
    desk.stored()
    assert stored(toys, frame).clicks[second]["tail"] == (10.0, 20.0)
    assert set(stored(toys, frame).clicks[second]) == {"head", "tail"}


def test_keypoints_are_named_and_coloured_once_for_the_project(
    browser: Any, context: Any, address: str, toys: Toys
) -> None:
    toys.folder.labels.unlink(missing_ok=True)
    with Desk(browser, address, toys, context=context) as desk:
        page = desk.page
        page.wait_for_selector("#keypoint-dialog[open]")  # by itself: there is nothing to click on yet
        page.fill("#keypoint-rows li:nth-child(1) input[type=text]", "nose")
        page.click("#add-keypoint")
        page.fill("#keypoint-rows li:nth-child(2) input[type=text]", "nose")
        page.click("#save-keypoints")
        desk.until("document.getElementById('keypoint-fault').textContent.includes('twice')")
        page.fill("#keypoint-rows li:nth-child(2) input[type=text]", "ear")
        page.fill("#keypoint-rows li:nth-child(2) input[type=color]", "#00ff80")
        page.click("#save-keypoints")
        page.wait_for_selector("#keypoint-dialog", state="hidden")
        page.wait_for_selector("[data-keypoint=ear]")
    file = toys.labels()
    assert file.keypoints == ("nose", "ear")
    assert file.colours["ear"] == "#00ff80"


def test_a_viewer_looks_and_changes_nothing(browser: Any, address: str, toys: Toys) -> None:
    toys.begin()
    with Desk(browser, address, toys, Role.VIEWER) as desk:
        first = desk.cameras()[0]
        desk.page.mouse.click(*desk.screen(first, (100, 100)))
        desk.press("Shift+Space", "n", "h")
        assert "Labelling needs the role labeller" in desk.page.inner_text("#advice")
        answer = desk.page.evaluate(
            """frame => fetch(`/label/frames/${frame}/label`, { method: "PUT",
               headers: { "Content-Type": "application/json" },
               body: JSON.stringify({ version: "", marks: { absent: ["head"] } }) }).then(each => each.status)""",
            desk.frame.replace("/0000000", "/"),
        )
    assert answer == 403
    assert toys.labels().labels == ()


def test_the_token_leaves_the_address_and_no_script_can_read_it(desk: Desk) -> None:
    assert "token" not in desk.page.url
    assert desk.page.evaluate("document.cookie") == ""
    (cookie,) = desk.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert "token" not in json.dumps(desk.page.evaluate("performance.getEntriesByType('resource').map(e => e.name)"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_its_picture_taken(
    browser: Any, address: str, toys: Toys, scheme: str, pytestconfig: pytest.Config
) -> None:
    """And follows the system's wish for light or dark, and then the button."""
    toys.begin()
    with Desk(browser, address, toys, color_scheme=scheme, locale="en-GB", timezone_id="UTC") as desk:
        cameras = desk.cameras()
        desk.page.wait_for_selector("#accept:enabled")
        for camera in (cameras[0], cameras[1], cameras[3]):
            desk.click(camera, desk.truth(camera, "head"))
        desk.press("2")
        desk.click(cameras[1], desk.truth(cameras[1], "tail"))
        desk.until("document.getElementById('point').textContent.startsWith('One more view')")
        desk.page.mouse.move(*desk.screen(cameras[2], desk.truth(cameras[2], "tail")))
        paper = "getComputedStyle(document.body).backgroundColor"
        brightness = sum(int(each) for each in desk.page.evaluate(paper)[4:-1].split(","))
        assert (brightness < 3 * 128) == (scheme == "dark")
        folder = pytestconfig.getoption("--pictures")
        if folder is not None:
            desk.until("[...document.querySelectorAll('.strip img')].every(each => each.complete && each.naturalWidth)")
            desk.page.screenshot(path=folder / ("web-label.png" if scheme == "light" else "web-label-dark.png"))
        desk.press("t")
        assert sum(int(each) for each in desk.page.evaluate(paper)[4:-1].split(",")) != brightness
