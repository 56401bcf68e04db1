"""A person at the Label page: looks, points, presses keys, and waits until what they did is stored."""

import time
from typing import Any, Self

import numpy as np

from s3k_dist.access.tokens import Role
from tests.deploy.web.conftest import SECRETS, Toys

PATIENCE_MS = 20_000
VIEWPORT = {"width": 1440, "height": 900}


def new_context(browser: Any, **settings: Any) -> Any:
    """A browser without cookies, and with nothing kept."""
    context = browser.new_context(viewport=VIEWPORT, **settings)
    context.set_default_timeout(PATIENCE_MS)
    return context


class Desk:
    """The page, in a browser that somebody may have used before.

    Args:
        context: of the browser; None for a new one with ``settings``.
    """

    def __init__(
        self,
        browser: Any,
        address: str,
        toys: Toys,
        role: Role = Role.LABELLER,
        context: Any = None,
        **settings: Any,
    ) -> None:
        self.toys = toys
        self.own = context is None
        self.context = new_context(browser, **settings) if context is None else context
        self.faults: list[str] = []
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if "Content Security" in said.text else None)
        self.page.goto(f"{address}/?token={SECRETS[role]}")
        self.ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.page.close()
        if self.own:
            self.context.close()
        assert not self.faults

    def ready(self) -> None:
        self.page.wait_for_selector("main[data-ready=yes]")
        if self.page.evaluate("location.hash"):
            self.shown(self.frame)

    @property
    def frame(self) -> str:
        return str(self.page.inner_text("#frame-name"))

    def shown(self, frame: str) -> None:
        """Wait until all views of a frame are drawn, with what the model suggests."""
        self.until(
            "frame => document.getElementById('frame-name').textContent === frame"
            " && [...document.querySelectorAll('.view canvas')].every(each => each.dataset.drawn === 'yes')",
            arg=frame,
        )

    def until(self, expression: str, arg: Any = None) -> None:
        """Wait until a JavaScript expression, or a function of ``arg``, holds.

        Playwright's own way evaluates text inside of the page, which the page's Content-Security-Policy forbids.
        """
        give_up = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(expression, arg):
            assert time.monotonic() < give_up, f"still not so: {expression}"
            self.page.wait_for_timeout(20)

    def cameras(self) -> list[str]:
        return [str(name) for name in self.page.eval_on_selector_all(".view", "all => all.map(e => e.dataset.camera)")]

    def canvas(self, camera: str) -> Any:
        return self.page.locator(f".view[data-camera={camera}] canvas")

    def screen(self, camera: str, pixel: Any) -> tuple[float, float]:
        """Where on the page a pixel of a view is."""
        canvas = self.canvas(camera)
        box, data = canvas.bounding_box(), canvas.evaluate("e => ({ ...e.dataset })")
        scale, left, top = (float(data[name]) for name in ("scale", "left", "top"))
        return box["x"] + left + (pixel[0] + 0.5) * scale, box["y"] + top + (pixel[1] + 0.5) * scale

    def truth(self, camera: str, name: str) -> np.ndarray:
        return self.toys.pixel(self.frame, camera, name)

    def click(self, camera: str, pixel: Any) -> None:
        self.page.mouse.click(*self.screen(camera, pixel))
        self.stored()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def stored(self) -> None:
        self.page.wait_for_selector("#saved[data-state=saved]")

    def reading(self, camera: str) -> list[str]:
        """The row of a view: what, px, mm."""
        row = self.page.locator("#readings tbody tr").filter(has_text=camera)
        return [str(text) for text in row.locator("td").all_inner_texts()][1:]
