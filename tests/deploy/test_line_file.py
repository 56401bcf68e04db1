"""Lines reach their file whole and in order, also those that came while there was no room."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.line_file import LineFile
from deploy.run_log import RunLog, read_series


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """No file grows beyond this: what a full disk does, to this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_finds_no_room_waits_and_goes_first_later(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "lines")
    file.add(["first"])
    with room_for(9):  # "first", a line's end, and the beginning of the next line
        file.add(["second"])
        file.add(["third"])
        assert "lines" in file.problem
    assert (tmp_path / "lines").read_text() == "first\nsec"
    file.add(["fourth"])
    assert file.problem == ""
    assert (tmp_path / "lines").read_text().split("\n") == ["first", "sec", "second", "third", "fourth", ""]
    assert file.close() == 0


def test_what_waits_is_written_at_the_end_or_counted_as_lost(tmp_path: Path) -> None:
    kept, lost = LineFile(tmp_path / "kept"), LineFile(tmp_path / "lost")
    with room_for(0):
        kept.add(["a"])
        lost.add(["a", "b"])
        assert (lost.close(), lost.close()) == (2, 0)
    assert kept.close() == 0
    assert (tmp_path / "kept").read_text() == "a\n"


def test_a_line_that_a_crash_tore_swallows_no_other(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("whole\nto")
    file = LineFile(tmp_path / "lines")
    file.add(["next"])
    assert (tmp_path / "lines").read_text() == "whole\nto\nnext\n"
    file.close()


def test_a_log_of_a_run_has_all_its_metrics_when_there_is_room_again(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.add("a", 1.0)
        with room_for(0):
            log.add("a", 2.0)
            assert log.problem
        log.add("a", 3.0)
        assert not log.problem
    assert read_series(tmp_path)["a"].value.tolist() == [1.0, 2.0, 3.0]
