"""The line that a run keeps of an episode."""

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from actors.rollout import EpisodeOutcome
from deploy.config import load_config
from deploy.live_view import LiveView
from deploy.run_folder import RunFolder
from deploy.run_log import RunLog, read_series
from deploy.session import Session, episode_lines


def test_an_episode_is_kept_with_its_place_in_time_and_the_error_of_every_frame(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    error_m = np.array([[0.001, 0.002, 0.003], [0.004, 0.005, 0.0061234], [0.007, 0.008, 0.009]], np.float32)
    outcome = EpisodeOutcome(
        "cell0-policy-1", 5, 2, True, 0.95, 1.0, 7, 3, error_m, np.ones(3), np.ones((3, 3), bool), first_sequence=120
    )
    with RunLog(tmp_path) as log, LiveView("test", (), Console(file=io.StringIO())) as view:
        session = Session(load_config("smoke"), folder, None, log, view)  # type: ignore[arg-type]
        log.add("before", 1.0)
        session.keep("train", outcome)
        log.add("after", 1.0)
        session.close()
    (line,) = episode_lines(folder)
    assert (line["stage"], line["first_sequence"], line["steps"]) == ("train", 120, 2)
    # A list for each keypoint, a number for each frame, millimetres.
    assert line["error_mm"] == [[1.0, 4.0, 7.0], [2.0, 5.0, 8.0], [3.0, 6.12, 9.0]]
    assert line["median_error_mm"] == [4.0, 5.0, 6.123]
    series = read_series(tmp_path)
    assert series["before"].t_s[0] <= line["t_s"] <= series["after"].t_s[0]
