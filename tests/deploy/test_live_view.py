"""The live view: what a person sees on a terminal, in a file, on a tiny terminal, and after things went wrong."""

import io
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from deploy import live_view
from deploy.live_view import LiveView

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def plain() -> Console:
    return Console(file=io.StringIO(), force_terminal=False)


def terminal(width: int = 110, height: int = 30) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, legacy_windows=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_into_a_file_each_phase_and_event_is_one_plain_line() -> None:
    console = plain()
    with LiveView("s3k run", ("see", "act"), console) as view:
        view.phase("see")
        view.update(keypoint_mm=0.613, success_rate=0.8)
        view.event("model 3 promoted")
        view.phase("act")
    lines = [line.split("] ", 1)[1] for line in shown(console).splitlines()]
    assert lines[:4] == ["s3k run", "see", "model 3 promoted", "act"]
    assert lines[4].startswith("done after 0:00")
    assert "success, by truth 80%" in lines[4]
    assert "keypoint error, median 0.61 mm" in lines[4]
    assert "\x1b" not in shown(console)


def test_into_a_file_a_status_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "STATUS_EVERY_S", 0.05)
    console = plain()
    with LiveView("s3k run", console=console) as view:
        view.phase("act")
        view.progress(0.4)
        view.update(env_steps=12345)
        time.sleep(0.3)
    assert "act 40% | environment steps 12,345" in shown(console)


def test_a_terminal_shows_phases_figures_and_events() -> None:
    console = terminal()
    with LiveView("s3k run", ("see", "act", "report"), console) as view:
        view.phase("see")
        view.phase("act")
        view.progress(0.5)
        view.update(success_rate=0.82, p99_ms=21.4, rollbacks=1)
        view.event("model 3 promoted")
    last = shown(console).rpartition("╭")[2]
    for expected in ("see", "act", "report", "82%", "21.4 ms", "rollbacks", "model 3 promoted", "✓", "○"):
        assert expected in last


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 2), (20, 5), (59, 40), (200, 3), (60, 18)])
def test_no_terminal_is_too_small(width: int, height: int) -> None:
    console = terminal(width, height)
    with LiveView("s3k run", [f"phase {i}" for i in range(30)], console) as view:
        view.phase("phase 12")
        view.progress(7.0)
        view.update(success_rate=float("nan"), keypoint_mm="unknown", odd=None)
        view.event("an event whose text is longer than any terminal is wide " * 5)
    assert shown(console).count(SHOW_CURSOR) >= 1


def test_an_error_restores_the_terminal_and_marks_the_phase() -> None:
    console = terminal()

    def run() -> None:
        with LiveView("s3k run", ("see", "act"), console) as view:
            view.phase("see")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        run()
    text = shown(console)
    assert text.rfind(SHOW_CURSOR) > text.rfind(HIDE_CURSOR) >= 0
    assert "✗" in text.rpartition("╭")[2]


def test_a_reader_that_went_away_does_not_stop_the_run() -> None:
    code = "from deploy.live_view import LiveView\nwith LiveView('run') as view:\n"
    code += "    for i in range(20000):\n        view.event('line')\n"
    code += "import os; os.write(2, b'finished'); os._exit(0)"
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdout is not None
    run.stdout.readline()
    run.stdout.close()
    assert run.stderr is not None
    assert run.stderr.read() == b"finished"
    run.stderr.close()
    assert run.wait(timeout=20) == 0


def test_an_ascii_output_gets_ascii() -> None:
    code = "from deploy.live_view import LiveView\nwith LiveView('rün') as view:\n    view.event('0.3 µm')"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, timeout=20
    )
    assert run.returncode == 0, run.stderr
    assert b"0.3 ?m" in run.stdout


def test_a_block_that_is_never_left_does_not_keep_the_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from deploy.live_view import LiveView\nLiveView('run').__enter__().phase('act')\n")
    controller, follower = pty.openpty()
    try:
        for stdout in (follower, subprocess.DEVNULL):
            assert subprocess.run([sys.executable, str(script)], stdout=stdout, timeout=20).returncode == 0
    finally:
        os.close(controller)
        os.close(follower)


def test_any_thread_may_report() -> None:
    console = terminal()
    with LiveView("s3k run", console=console) as view:
        view.phase("act")
        threads = [
            threading.Thread(target=lambda: [view.update(env_steps=i) or view.event(str(i)) for i in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert "49" in shown(console)
