"""Live, Models and Runs as people use them, in a real browser: what they see, and what their clicks did to the run."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import uvicorn

from deploy.fleet.part import State
from deploy.fleet.status import write_status
from deploy.web.access import Access
from deploy.web.app import create_app
from deploy.web.label.predictions import Predictions
from deploy.web.label.project import LabelProject
from deploy.web.run_pages import RunPages
from s3k_dist.access.audit import read_audit
from s3k_dist.access.tokens import Role
from s3k_dist.datasets.folder import DatasetFolder
from tests.deploy.web.conftest import SECRETS, Everybody, Toys
from tests.deploy.web.desk import PATIENCE_MS
from tests.deploy.web.made_run import MadeRun, NoisySight, make_run, running

PICTURE = {"width": 1440, "height": 1060}
FRESH_S = 600.0  # the made-up run says something as if by then: no test may make it fall silent
DRAWN = "[...document.querySelectorAll('.view canvas')].length >= %d && " + (
    "[...document.querySelectorAll('.view canvas')].every(each => each.dataset.drawn === 'yes')"
)


@pytest.fixture(scope="module")
def run(toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("runs"), toys)


@pytest.fixture(scope="module")
def address(run: MadeRun) -> Iterator[str]:
    project = LabelProject(DatasetFolder(run.folder.root), Predictions(run.folder.models))
    pages = RunPages(run.folder, run.folder.root.parent, sight=NoisySight(run))
    app = create_app(project, Access(Everybody(None), cookie="s3k_test"), names=("127.0.0.1",), run=pages)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    project.close()


@pytest.fixture(autouse=True)
def _speaks(run: MadeRun) -> None:
    write_status(run.folder.root, running(time.time() + FRESH_S))


class Watcher:
    """Somebody with a role and a browser of their own."""

    def __init__(self, browser: Any, address: str, role: Role, **settings: Any) -> None:
        self.address = address
        self.context = browser.new_context(viewport=PICTURE, locale="en-GB", timezone_id="UTC", **settings)
        self.context.set_default_timeout(PATIENCE_MS)
        self.faults: list[str] = []
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if "Content Security" in said.text else None)
        bearer = {"token": SECRETS[role]}
        assert self.context.request.post(f"{address}/token", data=bearer).ok

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.context.close()
        assert not self.faults

    def open(self, page: str, drawn: int = 0) -> Self:
        self.page.goto(f"{self.address}/{page}")
        self.page.wait_for_selector("main[data-ready=yes]")
        if drawn:
            self.until(DRAWN % drawn)
        return self

    def until(self, expression: str) -> None:
        """Wait until a JavaScript expression holds; Playwright's own way is what the page's policy forbids."""
        give_up = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < give_up, f"still not so: {expression}"
            self.page.wait_for_timeout(25)

    def says(self, selector: str, text: str) -> None:
        self.until(f"document.querySelector({selector!r})?.textContent.includes({text!r})")


@pytest.fixture
def operator(browser: Any, address: str) -> Iterator[Watcher]:
    with Watcher(browser, address, Role.OPERATOR) as watcher:
        yield watcher


# Whether a colour that only the marks have is anywhere on the first view.
MARKED = """([r, g, b]) => {
  const canvas = document.querySelector(".view canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4) {
    if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) return true;
  }
  return false;
}"""


def test_a_cell_is_drained_and_added_back_by_clicks(operator: Watcher, run: MadeRun) -> None:
    page = operator.open("live", drawn=8).page
    operator.says("#phase", "learn to act")
    operator.says("[data-cell=bench1] .facts", "v386")
    operator.says("[data-cell=bench1] .keypoint-names", "model v2")
    operator.says("#alarms", "the views disagree on camera cam3")
    operator.says("[data-part=service0]", "p99 ms 47.5")
    operator.says("#filling", "of 40 MB")
    operator.until("document.querySelectorAll('.chart path.line').length >= 8")
    operator.until(f"({MARKED})([255, 225, 77])")  # the first keypoint's colour
    page.click("[data-cell=bench1] button:text('Drain')")
    page.wait_for_selector("[data-cell=bench1] button:text('Run again')")
    assert run.wish("bench1") == "drain"
    status = running(time.time() + FRESH_S)
    status.parts[0].enter(State.DRAINED, time.time())
    write_status(run.folder.root, status)
    operator.says("[data-cell=bench1] .chip", "drained")
    page.focus("[data-cell=bench1] header button")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-cell=bench1] button:text('Drain')")
    assert run.wish("bench1") == "run"
    *_, noted = read_audit(run.folder.audit)
    assert (noted.who, noted.action) == ("operator", "cell.run")
    page.click("[data-cell=bench2] button:text('Stop')")
    page.fill("#stop-reason", "it squeaks")
    page.click("#stop-now")
    operator.says("#told", "no robot at 127.0.0.1:9")  # nobody is there, and it does not pretend otherwise


def test_a_run_that_ends_says_so(browser: Any, address: str, run: MadeRun) -> None:
    with Watcher(browser, address, Role.VIEWER) as watcher:
        page = watcher.open("live", drawn=8).page
        assert page.locator("main button").count() == 0  # a viewer has nothing to press there
        write_status(run.folder.root, running(time.time() - 60))
        page.wait_for_selector("#run-state[data-state=silent]")
        watcher.says("#alarms", "nobody has said anything")
        (run.folder.root / "status.json").unlink()
        page.wait_for_selector("#run-state[data-state='no status']")
        refused = page.evaluate(
            "fetch('/live/cells/bench1/wish', { method: 'PUT', headers: { 'Content-Type': 'application/json' },"
            ' body: \'{"wish": "drain"}\' }).then(each => each.status)'
        )
    assert refused == 403
    assert run.wish("bench1") == "run"


def test_a_version_is_promoted_and_rolled_back_by_clicks(operator: Watcher, run: MadeRun) -> None:
    page = operator.open("models", drawn=8).page
    operator.says("#side-b h3", "version 2")
    operator.says("#side-a h3", "version 1")
    page.click("[data-version='3'] .picks .a")
    operator.says("#side-a h3", "version 3")
    frame = page.get_attribute("#side-a .seen", "data-frame")
    operator.until(f"document.getElementById('side-a').dataset.shown === '3 {frame}'")
    errors = page.locator("#errors tbody tr").filter(has_text="in space").locator("td.number").all_inner_texts()
    assert len(errors) == 6
    page.keyboard.press("ArrowRight")
    operator.until(f"document.querySelector('#side-a .seen').dataset.frame !== {frame!r}")
    page.click("[data-version='3'] .promote")
    page.click("#decide")  # without a reason nothing happens
    assert page.is_visible("#decision")
    assert run.registry.current() == 2
    page.fill("#reason", "half the error on bench2")
    page.click("#decide")
    operator.says("[data-version='3'] .chip", "serves")
    operator.says("#events li", "half the error on bench2")
    operator.says("#events li", "operator")
    assert run.registry.current() == 3
    page.click("#roll-back")
    page.fill("#reason", "it jumps in the dark")
    page.click("#decide")
    operator.says("[data-version='3'] .chip", "rolled back")
    assert run.registry.current() == 2
    assert run.registry.history()[-1].reason == "it jumps in the dark"


def test_two_runs_are_compared_and_a_report_can_ask_for_nothing(operator: Watcher) -> None:
    page = operator.open("runs").page
    operator.says("[data-run=toys-1]", "86 %")
    operator.says("[data-run=toys-2]", "92 %")
    operator.until('document.querySelector("main").dataset.compared === \'["toys-1","toys-2"]\'')
    operator.until("document.querySelectorAll('[data-chart=success] path.line').length === 2")
    page.hover("[data-chart=success] svg")
    operator.says("[data-chart=success] .legend", "at 9 min")
    page.click("[data-run=toys-2] .picks .b")
    operator.until("document.querySelectorAll('[data-chart=success] path.line').length === 1")
    with page.context.expect_page() as opened:
        page.click("[data-run=toys-1] a")
    report = opened.value
    report.wait_for_function("() => document.title.includes(',')")
    assert report.title() == "sandboxed, refused"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_their_pictures_taken(
    browser: Any, address: str, scheme: str, pytestconfig: pytest.Config
) -> None:
    folder: Path | None = pytestconfig.getoption("--pictures")
    if folder is None:
        pytest.skip("no --pictures")
    with Watcher(browser, address, Role.OPERATOR, color_scheme=scheme) as watcher:
        for page, drawn, height in (("live", 8, 1080), ("models", 8, 1120), ("runs", 0, 860)):
            watcher.page.set_viewport_size({"width": 1440, "height": height})
            watcher.open(page, drawn)
            if page == "runs":
                watcher.page.click("[data-run=toys-0] .picks .a")
                watcher.page.click("[data-run=toys-1] .picks .b")
                watcher.until("document.querySelectorAll('[data-chart=success] path.line').length === 2")
            watcher.page.wait_for_timeout(2500)
            watcher.page.screenshot(path=folder / f"web-{page}{'-dark' if scheme == 'dark' else ''}.png")
