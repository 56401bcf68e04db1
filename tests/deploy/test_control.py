"""The page from which a person drives: served for real, driven over HTTP, by a clock that the test moves."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.cell import CONTROL_PERIOD_S
from actors.collector import Collector, CollectorSpec
from actors.insertion import InsertionConfig
from actors.operator import Decision, Moment
from actors.pace import Pace
from actors.recording import load_recordings
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.expert import expert_twist
from deploy.control.desk import FRESH_S, ControlDesk
from deploy.control.server import ControlServer
from deploy.demos.episodes import find_episodes
from deploy.page_server import MAX_BODY_BYTES
from s3k_dist.errors import ServiceError
from s3k_dist.images import Encoding, decode_image

GUARD_S = 60.0
LEFT = [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


class Clock:
    """Time stands still until the test moves it; whoever sleeps waits for that."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._now_s = 0.0
        self._sleeps_until: float | None = None
        self._flies = False

    def __call__(self) -> float:
        with self._changed:
            return self._now_s

    def sleep(self, seconds: float) -> None:
        with self._changed:
            self._sleeps_until = until = self._now_s + seconds
            self._changed.notify_all()
            moved = self._changed.wait_for(lambda: self._now_s >= until or self._flies, GUARD_S)
            assert moved, "nobody moved the clock"
            self._now_s = max(self._now_s, until)
            self._sleeps_until = None

    def advance(self, seconds: float) -> None:
        with self._changed:
            self._now_s += seconds
            self._changed.notify_all()

    def fly(self) -> None:
        """From now on a sleep is over at once."""
        with self._changed:
            self._flies = True
            self._changed.notify_all()

    def asleep(self) -> None:
        """Wait until the loop has done its step and sleeps."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: self._sleeps_until is not None and self._sleeps_until > self._now_s, GUARD_S
            ), "the loop does not come round"


@dataclass
class Page:
    """A browser page, more or less."""

    server: ControlServer
    name: str = "page-a"
    sent: int = 0

    def request(
        self, method: str, path: str, body: bytes | None = None, **changes: str
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": "application/json", **{key.replace("_", "-"): v for key, v in changes.items()}}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=GUARD_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def post(self, path: str, value: object, **changes: str) -> tuple[int, dict[str, Any]]:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        status, _, answer = self.request("POST", f"{path}?token={self.server.token}", body, **changes)
        return status, json.loads(answer)

    def command(self, twist: list[float] | None, **changes: str) -> tuple[int, dict[str, Any]]:
        self.sent += 1
        return self.post("/command", {"page": self.name, "count": self.sent, "twist": twist}, **changes)

    def decide(self, decision: str, episode: int) -> tuple[int, dict[str, Any]]:
        return self.post("/decision", {"decision": decision, "episode": episode})

    def state(self) -> dict[str, Any]:
        status, _, answer = self.request("GET", f"/state?token={self.server.token}&page={self.name}")
        assert status == 200
        return json.loads(answer)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> ControlDesk:
    return ControlDesk(records=True, clock=clock)


@pytest.fixture
def page(desk: ControlDesk) -> Iterator[Page]:
    with ControlServer(desk) as server:
        yield Page(server)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("stream", "recordings"):
        (tmp_path / name).mkdir()
    return tmp_path


Person = Callable[[Page, Clock, CableCell], None]


def record(root: Path, desk: ControlDesk, page: Page, clock: Clock, person: Person, wanted: int | None = None) -> int:
    """Record in this thread what ``person`` does at the page in another; returns how many episodes were kept."""
    spec = CollectorSpec(CableCellSpec(image_px=64), InsertionConfig(), root / "stream", root / "recordings")
    collector = Collector(spec)

    def act() -> None:
        try:
            person(page, clock, collector._cell)
        finally:
            clock.fly()  # to the loop, whoever has failed is soon gone

    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act)
        try:
            return collector.record_human(desk, count(7), wanted, Pace(clock, clock.sleep))
        finally:
            collector.stop()
            acting.result(GUARD_S)


def test_a_person_inserts_the_plug_and_keeps_the_episode(
    root: Path, desk: ControlDesk, page: Page, clock: Clock
) -> None:
    driven: list[np.ndarray] = []

    def person(page: Page, clock: Clock, cell: CableCell) -> None:
        clock.asleep()
        assert page.state()["phase"] == "ready"
        assert page.state()["step"] == 0
        while cell.truth().depth < 0.95:
            share = np.clip(expert_twist(cell) / cell.twist_limit, -1, 1)
            driven.append(share)
            assert page.command(share.tolist())[0] == 200
            clock.advance(CONTROL_PERIOD_S)
            clock.asleep()
            state = page.state()
            assert (state["phase"], state["driver"], state["step"]) == ("recording", "you", len(driven))
            assert state["time_s"] == len(driven) * CONTROL_PERIOD_S
        assert page.decide("keep", 1) == (200, {})
        clock.advance(CONTROL_PERIOD_S)

    assert record(root, desk, page, clock, person, wanted=1) == 1
    (episode,) = load_recordings(root / "recordings")
    assert (episode.kind, episode.seed, episode.episode_id) == ("human", 7, "cell0-human-7")
    np.testing.assert_array_equal(episode.actions, driven)
    (found,) = find_episodes(root)
    assert (found.kind, found.success, found.problems) == ("human", True, [])


def test_what_is_discarded_leaves_nothing_and_finishing_ends_it(
    root: Path, desk: ControlDesk, page: Page, clock: Clock
) -> None:
    def person(page: Page, clock: Clock, cell: CableCell) -> None:
        def once(decision: str | None = None, episode: int = 0) -> dict[str, Any]:
            clock.asleep()
            if decision is None:
                page.command(LEFT)
            else:
                assert page.decide(decision, episode)[0] == 200
            clock.advance(CONTROL_PERIOD_S)
            clock.asleep()
            return page.state()

        assert "nothing to keep" in once("keep", 1)["note"]
        assert once()["step"] == 1
        start_m = cell.gripper_m()
        state = once("reset", 1)
        assert (state["step"], state["phase"], state["episode"]) == (0, "ready", 1)
        assert cell.gripper_m()[0] > start_m[0]  # back where it began
        once()
        assert once("discard", 1)["episode"] == 2
        assert page.decide("keep", 1) == (409, {"error": "episode 1 is over; this is episode 2"})
        once()
        assert once("keep", 2)["kept"] == 1
        once()
        assert page.decide("finish", 3)[0] == 200
        clock.advance(CONTROL_PERIOD_S)

    assert record(root, desk, page, clock, person) == 1
    assert page.state()["phase"] == "finished"
    assert page.command(LEFT)[0] == 409
    assert [episode.episode_id for episode in load_recordings(root / "recordings")] == ["cell0-human-8"]
    assert [found.problems for found in find_episodes(root)] == [["failure: never seated, 0% of the depth at most"]]


def test_a_person_who_is_gone_ends_the_recording(root: Path, desk: ControlDesk, page: Page, clock: Clock) -> None:
    def person(page: Page, clock: Clock, cell: CableCell) -> None:
        clock.asleep()
        clock.advance(3600.0)

    assert record(root, desk, page, clock, person) == 0


def test_a_hand_that_is_off_moves_nothing(desk: ControlDesk, page: Page, clock: Clock) -> None:
    assert desk.twist_share() is None
    page.command(LEFT)
    clock.advance(FRESH_S)
    np.testing.assert_array_equal(desk.twist_share(), LEFT)
    clock.advance(0.01)  # nothing was heard for longer than that
    assert desk.twist_share() is None
    assert page.state()["driver"] == "nobody"
    page.command(LEFT)
    assert desk.twist_share() is not None
    assert page.state()["driver"] == "you"
    page.command(None)  # let go: at once
    assert desk.twist_share() is None


def test_a_command_that_comes_late_is_passed_over(desk: ControlDesk, page: Page) -> None:
    page.command(LEFT)
    page.command(None)
    page.sent = 0
    assert page.command(LEFT)[0] == 200  # the first one once more, overtaken on its way
    assert desk.twist_share() is None


def test_one_page_drives_until_it_lets_go(desk: ControlDesk, page: Page, clock: Clock) -> None:
    other = Page(page.server, "page-b")
    page.command(LEFT)
    assert other.command([1.0] * 6) == (409, {"error": "another page drives; it has to let go first"})
    assert other.command(None)[0] == 200  # nor can it let go for the first one
    np.testing.assert_array_equal(desk.twist_share(), LEFT)
    assert other.state()["driver"] == "another page"
    clock.advance(2 * FRESH_S)
    assert other.command([1.0] * 6)[0] == 200
    np.testing.assert_array_equal(desk.twist_share(), np.ones(6))


def test_a_page_of_another_origin_drives_nothing(desk: ControlDesk, page: Page) -> None:
    for changes in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{page.server.port + 1}"},
        {"Host": f"evil.example:{page.server.port}", "Origin": f"http://evil.example:{page.server.port}"},
        {"Content_Type": "text/plain"},  # what a form of another page may send without being asked
    ):
        status, answer = page.command(LEFT, **changes)
        assert status in (400, 403)
        assert answer["error"]
        assert desk.twist_share() is None
    own = f"http://127.0.0.1:{page.server.port}"
    assert page.command(LEFT, Origin=own)[0] == 200
    assert desk.twist_share() is not None


@pytest.mark.parametrize("token", ["", "token=", "token=wrong", "token=%FF"])
def test_nothing_is_answered_without_the_token(desk: ControlDesk, page: Page, token: str) -> None:
    body = json.dumps({"page": "p", "count": 1, "twist": LEFT}).encode()
    for method, path in (("GET", "/"), ("GET", "/state"), ("GET", "/picture"), ("POST", "/command")):
        status, _, answer = page.request(method, f"{path}?{token}", body if method == "POST" else None)
        assert status == 403
        assert "open the address as it was printed" in json.loads(answer)["error"]
    assert desk.twist_share() is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 2000, "not JSON"),
        (b"[]", "expected count, page, twist, got 'list'"),
        ({"page": "p", "count": 1}, "expected count, page, twist"),
        ({"page": "p", "count": 1, "twist": LEFT, "more": 1}, "expected count, page, twist"),
        ({"page": "", "count": 1, "twist": LEFT}, "page must be a text"),
        ({"page": "p" * 65, "count": 1, "twist": LEFT}, "page must be a text"),
        ({"page": ["p"], "count": 1, "twist": LEFT}, "page must be a text"),
        ({"page": "p", "count": -1, "twist": LEFT}, "count must be an integer"),
        ({"page": "p", "count": 1.5, "twist": LEFT}, "count must be an integer"),
        ({"page": "p", "count": True, "twist": LEFT}, "count must be an integer"),
        ({"page": "p", "count": 10**300, "twist": LEFT}, "count must be an integer"),
        ({"page": "p", "count": 1, "twist": LEFT[:5]}, "six finite numbers"),
        ({"page": "p", "count": 1, "twist": "left"}, "six finite numbers"),
        ({"page": "p", "count": 1, "twist": [2.0, *LEFT[1:]]}, "six finite numbers"),
        ({"page": "p", "count": 1, "twist": [float("nan"), *LEFT[1:]]}, "six finite numbers"),
        ({"page": "p", "count": 1, "twist": [float("inf"), *LEFT[1:]]}, "six finite numbers"),
        ({"page": "p", "count": 1, "twist": [None] * 6}, "six finite numbers"),
        ({"page": "p" * 2 * MAX_BODY_BYTES, "count": 1, "twist": LEFT}, "at most 2048 are taken"),
    ],
)
def test_a_malformed_command_is_answered_with_the_reason(
    desk: ControlDesk, page: Page, body: object, says: str
) -> None:
    status, answer = page.post("/command", body)
    assert status == 400
    assert says in answer["error"]
    assert len(answer["error"]) < 300
    assert desk.twist_share() is None


def test_a_malformed_decision_is_answered_with_the_reason(desk: ControlDesk, page: Page) -> None:
    for body, says in (
        ({"decision": "win", "episode": 1}, "one of keep, discard, reset, finish, got 'win'"),
        ({"decision": ["keep"], "episode": 1}, "one of keep, discard, reset, finish"),
        ({"decision": "keep", "episode": "1"}, "episode must be an integer"),
        ({"decision": "keep"}, "expected decision, episode"),
    ):
        status, answer = page.post("/decision", body)
        assert (status, says in answer["error"]) == (400, True)
    assert desk.decision() is None
    assert page.decide("keep", 1)[0] == 200
    assert desk.decision() is Decision.KEEP
    assert desk.decision() is None


def test_a_body_of_unknown_length_is_refused(page: Page) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", page.server.port, timeout=GUARD_S)
    try:
        path = f"/command?token={page.server.token}"
        with suppress(BrokenPipeError):  # the answer may be there before the body's end is
            connection.request("POST", path, iter([b"{}"]), {"Content-Type": "application/json"}, encode_chunked=True)
        answer = connection.getresponse()
        assert answer.status == 400
        assert "Content-Length" in json.loads(answer.read())["error"]
    finally:
        connection.close()


def test_the_page_needs_nothing_from_elsewhere_and_tells_no_truth(page: Page) -> None:
    status, headers, answer = page.request("GET", f"/?token={page.server.token}")
    text = answer.decode()
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    for elsewhere in ("http://", "https://", "//cdn", "src=", "@import"):
        assert elsewhere not in text
    assert "/* control" not in text
    assert "depth" not in text
    assert page.request("GET", f"/nowhere?token={page.server.token}")[0] == 404
    assert page.request("POST", f"/?token={page.server.token}", b"{}")[0] == 404


def test_the_picture_shows_every_view_side_by_side(desk: ControlDesk, page: Page) -> None:
    assert page.state()["phase"] == "starting"
    assert page.request("GET", f"/picture?token={page.server.token}")[0] == 404
    cell = CableCell(CableCellSpec(image_px=64))
    try:
        seen = cell.reset(0)
    finally:
        cell.stop()
    desk.show(Moment(seen, "ready", 1, 0))
    status, headers, picture = page.request("GET", f"/picture?token={page.server.token}")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    shown = decode_image(picture, Encoding.JPEG, 4 * 64, 64).astype(int)
    views = np.hstack([view.image for view in seen.frame.views]).astype(int)
    assert np.abs(shown - views).mean() < 8
    state = page.state()
    assert [view["name"] for view in state["views"]] == ["cam0", "cam1", "cam2", "cam3"]
    np.testing.assert_allclose(state["position_mm"], 1e3 * seen.gripper.position_m, atol=0.06)
    assert not any("depth" in name or "truth" in name for name in state)


def test_a_port_in_use_is_named(page: Page) -> None:
    with pytest.raises(ServiceError, match=rf"127\.0\.0\.1:{page.server.port}.*choose another port"):
        ControlServer(ControlDesk(records=True), port=page.server.port)


def test_stopping_twice_is_safe_and_frees_the_port() -> None:
    server = ControlServer(ControlDesk(records=False))
    server.start()
    server.stop()
    server.stop()
    again = ControlServer(ControlDesk(records=False), port=server.port)
    again.stop()
