"""Somebody at the Label page, scripted: a headless Chromium, a hand that errs, and a count of all that it does.

    with label_page(data, audit) as page:
        person = Person(page, np.random.default_rng(0), click_error_px=1.5, image_px=128)
        person.define(("plug_tip", "plug_base", "socket"))
        person.mark("plug_tip", {"cam0": (61.0, 70.5), "cam1": (40.2, 33.9)})

How long a person takes is the keystroke-level model's account of what was done (Card, Moran, Newell, 1980): so long for
a key, for pointing, for a press of the mouse, and for thinking first.
"""

import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from s3k_dist.errors import PreflightError, ServiceError

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_S = 60.0
WIDTH, HEIGHT = 1440, 900  # of the window
# Seconds, of the keystroke-level model: an average typist's key, pointing with a mouse, its button down and up, and
# thinking before an act that is no routine.
OPERATORS_S = {"key": 0.28, "point": 1.1, "press": 0.2, "think": 1.35}
GRAB_PX = 14.0  # on the screen: a click nearer to a mark than about this takes hold of it
LEAST_APART_PX = 0.25  # of the image: at the largest zoom two marks this close can still be told apart
WHEEL = 0.002  # logarithm of the zoom for each unit of the wheel


@contextmanager
def label_page(data: Path, audit: Path) -> Iterator["Page"]:
    """`s3k web` on a data set, and a browser that has opened it.

    Raises:
        PreflightError: there is no Playwright or no Chromium.
        ServiceError: the server does not start.
    """
    chromium = require_browser()
    command = [sys.executable, "-m", "deploy.cli", "web", "--data", str(data), "--audit", str(audit)]
    with subprocess.Popen(
        [*command, "--address", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        # Labels carry who gave them.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LOGNAME": "scripted-person"},
    ) as server:
        try:
            address = _address(server)
            with _opened(chromium) as page:
                page.goto(address)
                page.wait_for_selector("main[data-ready=yes]")
                yield page
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()


class Person:
    """Looks, points, presses keys, and waits until what was done is stored.

    Args:
        page: that `label_page` opened.
        rng: of the hand.
        click_error_px: standard deviation of a click along each axis, pixels of the camera's image.
        image_px: side of the images; nobody clicks outside.

    Attributes:
        acts: how often each of `OPERATORS_S` was needed.
        clicks: on images.
        waited_s: for the page, without what it stored while the person thought of the next act.
        meant: pixel of each click of each frame, by camera and keypoint.
    """

    def __init__(self, page: "Page", rng: np.random.Generator, click_error_px: float, image_px: int) -> None:
        self._page = page
        self._rng = rng
        self._image_px = image_px
        self._error_px = click_error_px
        self.acts: Counter[str] = Counter()
        self.clicks = 0
        self.waited_s = 0.0
        self.meant: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}

    @property
    def frame(self) -> str:
        """The one that is shown."""
        return self._page.inner_text("#frame-name")

    @property
    def seconds(self) -> float:
        """What a person would have taken: their acts, and the waiting."""
        return sum(OPERATORS_S[name] * count for name, count in self.acts.items()) + self.waited_s

    def define(self, names: Sequence[str]) -> None:
        """Name the keypoints, in the dialog that opens by itself where there are none."""
        page = self._page
        page.wait_for_selector("#keypoint-dialog[open]")
        for number, name in enumerate(names, start=1):
            if number > 1:
                self._button("#add-keypoint")
            page.fill(f"#keypoint-rows li:nth-child({number}) input[type=text]", name)
            self.acts.update(think=1, key=len(name))
        self._button("#save-keypoints")
        page.wait_for_selector("#keypoint-dialog", state="hidden")
        page.wait_for_selector(f"[data-keypoint={names[-1]}]")

    def look(self) -> None:
        """Take the frame in, once all its views are drawn."""
        self.acts["think"] += 1
        self._until("[...document.querySelectorAll('.view canvas')].every(each => each.dataset.drawn === 'yes')")

    def mark(self, name: str, pixels: Mapping[str, ArrayLike]) -> None:
        """Click a keypoint in some views.

        Args:
            name: of the keypoint.
            pixels: of each view, where it is.
        """
        names = self._page.eval_on_selector_all("[data-keypoint]", "all => all.map(e => e.dataset.keypoint)")
        if self._page.inner_text("#current") != name:
            self._key(str(names.index(name) + 1))
        for camera, pixel in pixels.items():
            self._click(camera, name, np.asarray(pixel, dtype=float))

    def train_on_it(self) -> None:
        """Where the page would hold the frame out, have the model train on it."""
        if self._page.get_attribute("#held_out", "aria-pressed") == "true":
            self._key("h")
            self._stored()

    def next_frame(self) -> None:
        """Go on in the queue."""
        before = self.frame
        self._key("d")
        self._until("before => document.getElementById('frame-name').textContent !== before", before)

    def picture(self, path: Path) -> None:
        """Of the page as it is."""
        waited_s = self.waited_s  # nobody but the script wants a picture
        # Thumbnails out of sight are not fetched.
        self._until(
            "[...document.querySelectorAll('.strip img')]"
            ".filter(each => each.getBoundingClientRect().left < innerWidth && each.getBoundingClientRect().right > 0)"
            ".every(each => each.complete && each.naturalWidth)"
        )
        self._page.screenshot(path=path)
        self.waited_s = waited_s

    def _click(self, camera: str, name: str, truth: np.ndarray) -> None:
        marks = self.meant.setdefault(self.frame, {}).setdefault(camera, {})
        while True:
            at = truth + self._rng.normal(scale=self._error_px, size=2)
            apart = min((float(np.linalg.norm(at - other)) for other in marks.values()), default=np.inf)
            if apart > LEAST_APART_PX and (np.abs(at + 0.5 - self._image_px / 2) < self._image_px / 2).all():
                break
        scale = self._place(camera)[0]
        zoomed = apart * scale < GRAB_PX
        if zoomed:  # beside another keypoint's mark: look closer
            self._page.mouse.move(*self._screen(camera, at))
            self._page.mouse.wheel(0, -np.log(1.5 * GRAB_PX / (apart * scale)) / WHEEL)
            self._until(
                "([camera, before]) => "
                "Number(document.querySelector(`[data-camera=${camera}] canvas`).dataset.scale) > before * 1.01",
                [camera, scale],
            )
            self.acts.update(point=1, key=1)  # a turn of the wheel is as quick as a key
        self._page.mouse.click(*self._screen(camera, at))
        self.acts.update(think=1, point=1, press=1)
        self._stored()
        marks[name] = (float(at[0]), float(at[1]))
        self.clicks += 1
        if zoomed:
            self._key("f")
            self._until(
                "([camera, close]) => "
                "Number(document.querySelector(`[data-camera=${camera}] canvas`).dataset.scale) < close * 1.01",
                [camera, scale],
            )

    def _key(self, key: str) -> None:
        self._page.keyboard.press(key)
        self.acts["key"] += 1

    def _button(self, selector: str) -> None:
        self._page.click(selector)
        self.acts.update(point=1, press=1)

    def _place(self, camera: str) -> tuple[float, float, float]:
        """Screen points a pixel, and where the image begins in its canvas."""
        data = self._canvas(camera).evaluate("e => ({ ...e.dataset })")
        return float(data["scale"]), float(data["left"]), float(data["top"])

    def _canvas(self, camera: str) -> Any:
        return self._page.locator(f".view[data-camera={camera}] canvas")

    def _screen(self, camera: str, pixel: np.ndarray) -> tuple[float, float]:
        box, (scale, left, top) = self._canvas(camera).bounding_box(), self._place(camera)
        return box["x"] + left + (pixel[0] + 0.5) * scale, box["y"] + top + (pixel[1] + 0.5) * scale

    def _stored(self) -> None:
        begun = time.monotonic()
        self._page.wait_for_selector("#saved[data-state=saved]")
        # Storing does not hold anybody up who thinks of the next click meanwhile.
        self.waited_s += max(0.0, time.monotonic() - begun - OPERATORS_S["think"])

    def _until(self, expression: str, arg: Any = None) -> None:
        """Wait until a JavaScript expression, or a function of ``arg``, holds.

        Playwright's own way evaluates text inside of the page, which its Content-Security-Policy forbids.
        """
        begun = time.monotonic()
        while not self._page.evaluate(expression, arg):
            if time.monotonic() > begun + PATIENCE_S:
                raise ServiceError(f"the Label page did not get there within {PATIENCE_S:.0f} s: {expression}")
            self._page.wait_for_timeout(20)
        self.waited_s += time.monotonic() - begun


def require_browser() -> str:
    """Path of a Chromium.

    Raises:
        PreflightError: there is none, or no Playwright to drive it.
    """
    if find_spec("playwright") is None:
        raise PreflightError("a scripted person needs Playwright: install the extra dev; it downloads no browser")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise PreflightError("a scripted person needs a browser: no chromium on the PATH, and CHROMIUM names none")
    return found


@contextmanager
def _opened(chromium: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        alone = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=chromium, args=alone)
        context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", locale="en-GB", timezone_id="UTC"
        )
        context.set_default_timeout(1e3 * PATIENCE_S)
        try:
            yield context.new_page()
        finally:
            browser.close()


def _address(server: "subprocess.Popen[bytes]") -> str:
    """What the server prints when it listens."""
    assert server.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(server.stdout, selectors.EVENT_READ)
        line = server.stdout.readline().decode() if ready.select(PATIENCE_S) else ""
    found = re.search(r"https?://\S+", line)
    if found is None:
        raise ServiceError(f"`s3k web` did not say within {PATIENCE_S:.0f} s where it listens; it said {line!r}")
    return found[0]
