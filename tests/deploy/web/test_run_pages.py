"""What the pages of a run are told, and what people may have done there."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from actors.robots.gated import GatedRobot
from actors.robots.server import RobotServer
from actors.safety.gate import Mode
from deploy.ellipses import CHI2_90_OF_TWO, ellipse_90, pixels_of, projected_covariance
from deploy.fleet.status import write_status
from deploy.run_folder import RunFolder
from deploy.web.access import Access
from deploy.web.app import create_app
from deploy.web.follow import FollowedSeries
from deploy.web.label.predictions import Predictions
from deploy.web.label.project import LabelProject
from deploy.web.run_pages import RunPages
from deploy.web.sight import Sight
from s3k_dist.access.audit import read_audit
from s3k_dist.access.tokens import Role
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.geometry.projection import Cameras
from tests.attacks.targets import LIMITS, PATIENCE_S, PaperRobot
from tests.deploy.web.conftest import NAMES, SECRETS, Everybody, Toys
from tests.deploy.web.made_run import ERROR_MM, MadeRun, NoisySight, make_run, running

HOST = "127.0.0.1"
FRESH_S = 600.0  # it says something as if by then: no slow test makes it fall silent


@pytest.fixture(scope="module")
def robot() -> Iterator[tuple[GatedRobot, str]]:
    with GatedRobot(PaperRobot(), LIMITS) as gated:
        server = RobotServer(gated, "127.0.0.1:0")
        server.start()
        yield gated, server.address
        server.stop(0.2)


@pytest.fixture(scope="module")
def made(toys: Toys, tmp_path_factory: pytest.TempPathFactory, robot: tuple[GatedRobot, str]) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("made"), toys, robot[1], time.time() + FRESH_S)


@pytest.fixture
def run(made: MadeRun, tmp_path: Path) -> MadeRun:
    """A copy for each test, which says that it is at work now."""
    shutil.copytree(made.folder.root.parent, tmp_path, dirs_exist_ok=True)
    return replace(made, folder=RunFolder(tmp_path / made.folder.root.name))


@pytest.fixture
def client(run: MadeRun) -> Iterator[TestClient]:
    project = LabelProject(DatasetFolder(run.folder.root), Predictions(run.folder.models))
    pages = RunPages(run.folder, run.folder.root.parent, sight=NoisySight(run))
    app = create_app(project, Access(Everybody(None), cookie="s3k_test"), names=(HOST,), run=pages)
    with TestClient(app, base_url=f"http://{HOST}") as client:
        yield client
    project.close()


def ask(client: TestClient, path: str, role: Role = Role.VIEWER, method: str = "GET", **body: Any) -> Any:
    answer = client.request(method, path, headers={"Authorization": f"Bearer {SECRETS[role]}"}, json=body or None)
    return answer.json() if answer.status_code == 200 else answer.status_code


def test_the_state_of_a_run_says_how_its_cells_are(client: TestClient, run: MadeRun) -> None:
    state = ask(client, "/live/state")
    assert state["run"]["state"] == "running"
    assert state["serving"] == 2
    first, second = state["cells"]
    assert (first["name"], first["kind"], first["robot"]) == ("bench1", "simulated", None)
    assert second["robot"] == run.register.cells()["bench2"][0].physical.robot_address  # type: ignore[union-attr]
    assert abs(state["now_s"] - first["captured_at_s"]) < 2 * FRESH_S
    assert first["part"]["figures"]["policy"] == "386"
    assert set(first["outcomes"]) == {"success", "failure", "false"}
    assert [alarm["text"] for alarm in state["alarms"]] == [
        "the views disagree on camera cam3, 3.1 times as much as usual"
    ]
    assert state["past_alarms"][0]["over_s"] - state["past_alarms"][0]["at_s"] == pytest.approx(50, abs=0.1)
    assert state["stream"]["max_bytes"] == 40e6
    assert 0 < state["stream"]["bytes"] < 40e6
    assert state["replay"]["demonstrations"] == 431


def test_parts_that_are_down_and_a_run_that_is_silent_or_over_are_told(client: TestClient, run: MadeRun) -> None:
    status = running(time.time())
    status.parts[0].failed(RuntimeError("its cable came off"), time.time())
    write_status(run.folder.root, status)
    assert "its cable came off" in ask(client, "/live/state")["alarms"][0]["text"]
    write_status(run.folder.root, running(time.time() - 60))
    state = ask(client, "/live/state")
    assert state["run"]["state"] == "silent"
    assert "nobody has said anything" in state["alarms"][0]["text"]
    write_status(run.folder.root, replace(running(time.time() - 60), over=True))
    state = ask(client, "/live/state")
    assert (state["run"]["state"], state["alarms_stay"]) == ("over", True)
    (run.folder.root / "status.json").unlink()
    assert ask(client, "/live/state")["run"]["state"] == "no status"


def test_what_a_cell_sees_comes_with_the_model_it_acted_on(client: TestClient, run: MadeRun) -> None:
    seen = ask(client, "/live/cells/bench1/seen")
    assert seen["frame"] == "bench1/00000003"
    assert (seen["version"], seen["acted_on"]) == (2, 2)
    assert set(seen["marks"]) == {view["camera"] for view in seen["views"]}
    for of_view in seen["marks"].values():
        assert set(of_view) == set(NAMES)
        for mark in of_view.values():
            assert mark["ellipse"][0] >= mark["ellipse"][1] > 0
    assert ask(client, "/live/cells/nowhere/seen") == 404


def test_a_real_model_looks_once_a_second_at_most(run: MadeRun, toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    project = LabelProject(DatasetFolder(run.folder.root), Predictions(run.folder.models))
    project.reader.refresh()
    frame = project.frame("bench1/00000000")
    sight = Sight(run.folder.models)
    features = sight.features(frame, 1)
    assert features.model_version == 1
    monkeypatch.setattr(Sight, "_detector", lambda *_: pytest.fail("it has seen this frame before"))
    assert sight.features(frame, 1) is features
    assert sight.serving() == 2


def test_an_ellipse_holds_ninety_of_a_hundred_projections(run: MadeRun) -> None:
    frame = LabelProject(DatasetFolder(run.folder.root), Predictions(run.folder.models)).frame("bench1/00000000")
    features, cameras = NoisySight(run).features(frame, 3), Cameras.stack(frame.cameras)
    spread = projected_covariance(features, cameras)[0, 0]
    drawn = np.random.default_rng(0).multivariate_normal(features.positions_m[0], features.covariance_m2[0], 4000)
    off = pixels_of(drawn, cameras)[0] - pixels_of(features.positions_m[:1], cameras)[0]
    along, across, turn = ellipse_90(spread)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    inside = ((off @ [c, s]) / along) ** 2 + ((off @ [-s, c]) / across) ** 2 < 1
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    assert ellipse_90(np.diag([1.0, 4.0]))[:2] == pytest.approx((2 * CHI2_90_OF_TWO**0.5, CHI2_90_OF_TWO**0.5))


def test_charts_read_on_where_the_log_ended(client: TestClient, run: MadeRun) -> None:
    success = ask(client, "/live/charts")[0]
    assert (success["key"], [line["name"] for line in success["lines"]]) == (
        "success",
        ["by truth", "by its own claim"],
    )
    assert 0.8 < success["lines"][0]["points"][-1][1] <= 1
    with (run.folder.root / "metrics.jsonl").open("a") as log:
        log.write('{"t_s": 9000, "series": "policy/success_rate", "value": 0.25, "step": 1}\n{"t_s": 9001, "ser')
    points = ask(client, "/live/charts")[0]["lines"][0]["points"]
    assert points[-1] == [9000, 0.25]
    assert len(points) <= 240


def test_a_log_is_read_once_however_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    followed = FollowedSeries(path, {"a"})

    def line(t_s: float, value: float | None) -> str:
        return json.dumps({"t_s": t_s, "series": "a", "value": value, "step": None})

    followed.look()
    path.write_text(f'{line(1, 5)}\n{{"torn\n{line(2, None)}\n[3]\n{line(3, 7)}')
    followed.look()
    assert followed.curve("a", 10) == [[1, 5]]
    with path.open("a") as log:
        log.write("\n")
    followed.look()
    assert followed.curve("a", 10) == [[1, 5], [3, 7]]
    assert followed.newest("a") == 7
    path.write_text(line(4, 1) + "\n")  # another run in the same folder
    followed.look()
    assert followed.curve("a", 10) == [[4, 1]]
    path.write_text("".join(f"{line(t, t % 10)}\n" for t in range(5, 1005)))
    followed.look()
    assert len(followed.curve("a", 50)) == 50
    assert {value for _, value in followed.curve("a", 50, "worst")} == {9.0}
    path.unlink()
    followed.look()
    assert followed.curve("a", 10) == []


def test_an_operator_drains_a_cell_and_lets_it_run_again(client: TestClient, run: MadeRun) -> None:
    path = "/live/cells/bench1/wish"
    assert ask(client, path, Role.LABELLER, "PUT", wish="drain") == 403
    assert run.wish("bench1") == "run"
    assert ask(client, path, Role.OPERATOR, "PUT", wish="drain") == {"cell": "bench1", "wish": "drain"}
    assert run.wish("bench1") == "drain"
    assert ask(client, path, Role.OPERATOR, "PUT", wish="remove") == 422
    assert ask(client, "/live/cells/bench9/wish", Role.OPERATOR, "PUT", wish="drain") == 404
    ask(client, path, Role.OPERATOR, "PUT", wish="run")
    assert run.wish("bench1") == "run"
    noted = [(each.who, each.action, each.facts) for each in read_audit(run.folder.audit)][-2:]
    assert noted == [("operator", "cell.drain", {"cell": "bench1"}), ("operator", "cell.run", {"cell": "bench1"})]


def test_an_operator_stops_a_robot_and_its_cell_rests(
    client: TestClient, run: MadeRun, robot: tuple[GatedRobot, str]
) -> None:
    path = "/live/cells/bench2/stop"
    assert ask(client, path, Role.LABELLER, "POST", reason="mine") == 403
    assert robot[0].state.mode is not Mode.STOPPED
    assert ask(client, path, Role.OPERATOR, "POST", reason="a hand")["wish"] == "drain"
    give_up = time.monotonic() + PATIENCE_S
    while robot[0].state.mode is not Mode.STOPPED:  # with the gate's next step
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert run.wish("bench2") == "drain"
    *_, noted = read_audit(run.folder.audit)
    assert (noted.who, noted.action, noted.facts["reason"]) == ("operator", "robot.stop", "a hand")
    # The robot of a simulated cell is served inside of it.
    assert ask(client, "/live/cells/bench1/stop", Role.OPERATOR, "POST", reason="x") == 404


def test_promotion_and_roll_back_keep_why_and_who(client: TestClient, run: MadeRun) -> None:
    promotion = {"version": 3, "instead_of": 2, "reason": "sharper on the new cable"}
    assert ask(client, "/models/promote", Role.VIEWER, "POST", **promotion) == 403
    assert ask(client, "/models/promote", Role.LABELLER, "POST", **promotion) == 403
    assert ask(client, "/models/promote", Role.OPERATOR, "POST", **{**promotion, "reason": " "}) == 422
    assert ask(client, "/models/promote", Role.OPERATOR, "POST", **{**promotion, "instead_of": 1}) == 409
    assert ask(client, "/models/promote", Role.OPERATOR, "POST", **{**promotion, "version": 9}) == 404
    assert run.registry.current() == 2
    assert ask(client, "/models/promote", Role.OPERATOR, "POST", **promotion) == {"serving": 3}
    assert ask(client, "/models/roll_back", Role.LABELLER, "POST", withdraw=3, reason="no") == 403
    assert ask(client, "/models/state")["before"] == 2
    assert ask(client, "/models/roll_back", Role.OPERATOR, "POST", withdraw=2, reason="late") == 409
    assert ask(client, "/models/roll_back", Role.OPERATOR, "POST", withdraw=3, reason="jumps") == {"serving": 2}
    state = ask(client, "/models/state")
    assert [each["state"] for each in state["versions"]] == ["rolled back", "promoted", "replaced"]
    back, promoted, *before = state["events"]
    assert (back["action"], back["version"], back["reason"], back["who"]) == ("rolled back", 2, "jumps", "operator")
    assert (promoted["version"], promoted["reason"], promoted["who"]) == (3, promotion["reason"], "operator")
    assert before[0]["who"] == "keypoint-learner"
    assert [each["policy_version"] for each in state["policy"]] == [387, 195]


def test_two_versions_on_the_same_frame_differ_as_their_errors_do(client: TestClient) -> None:
    frames = ask(client, "/models/frames")
    assert len(frames["held_out"]) == 6
    assert frames["newest"] == ["bench1/00000003", "bench2/00000003"]
    worst = {}
    for version in ERROR_MM:
        seen = [ask(client, f"/models/{version}/frames/{frame}") for frame in frames["held_out"]]
        worst[version] = np.mean([error["mm"] for each in seen for error in each["errors"].values()])
        assert all(0 < error["px"] < 30 for each in seen for error in each["errors"].values())
    assert worst[1] > worst[2] > worst[3] > 0
    unlabelled = ask(client, "/models/3/frames/bench2/00000003")
    assert (unlabelled["errors"], unlabelled["truth"]) == ({}, {})
    assert ask(client, "/models/3/frames/bench2/99") == 404


def test_runs_are_listed_and_compared(client: TestClient, run: MadeRun) -> None:
    now, before, oldest = ask(client, "/runs/list")
    assert (now["name"], now["state"], now["live_success"], now["report"]) == ("toys-2", "runs", "92%", False)
    assert (before["name"], before["state"], before["success"], before["error_mm"]) == ("toys-1", "finished", 86, 0.61)
    assert oldest["name"] == "toys-0"
    details = ask(client, "/runs/of/toys-1")
    figures = {each["name"]: each["value"] for each in details["figures"]}
    assert figures["Success, evaluation"] == 86
    assert figures["Wall time"] == pytest.approx(11.7)
    assert figures["Demonstrations"] is None
    assert details["charts"][0]["lines"]


def test_a_report_is_sandboxed_and_no_name_leads_out(client: TestClient, run: MadeRun, tmp_path: Path) -> None:
    bearer = {"Authorization": f"Bearer {SECRETS[Role.VIEWER]}"}
    answer = client.get("/runs/of/toys-1/report", headers=bearer)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy  # default-src 'none' has it
    assert answer.headers["x-frame-options"] == "DENY"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "report.html").write_text("not a run")
    for name in ("..", "elsewhere", "%2e%2e", "..%2ftoys-1", "toys-2", os.sep + "etc"):
        assert client.get(f"/runs/of/{name}/report", headers=bearer).status_code in (404, 405)
