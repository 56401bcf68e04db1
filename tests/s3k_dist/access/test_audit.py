"""What was done stays on disk as it was said, whatever was said and whenever the power fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.cli import main
from s3k_dist.access.audit import LONGEST_TEXT, AuditLog, read_audit
from s3k_dist.errors import StorageError

WRITER = """
import sys
from pathlib import Path
from s3k_dist.access.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
for n in range(20):
    log.write(sys.argv[2], "count", n=n)
"""


def test_who_what_and_when_are_kept(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "folder" / "audit.jsonl")
    log.write("anna", "model.promote", version=12, reason="sharper")
    log.write("cell-1", "robot.stop", emergency=True)
    entries = list(read_audit(log.path))
    assert [(entry.who, entry.action, entry.facts) for entry in entries] == [
        ("anna", "model.promote", {"version": 12, "reason": "sharper"}),
        ("cell-1", "robot.stop", {"emergency": True}),
    ]
    assert log.path.stat().st_mode & 0o777 == 0o600


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), max_size=60))
def test_nothing_that_is_said_forges_a_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.unlink(missing_ok=True)
    log = AuditLog(path)
    log.write(text, text, reason=text, **{"x" + text: [text, {"held": text}]})
    log.write("after", "it")
    data = path.read_bytes()
    assert data.count(b"\n") == 2
    assert all(32 <= byte < 127 or byte == 10 for byte in data)
    shown = text.encode("utf-8", "replace").decode()
    assert [entry.who for entry in read_audit(path)] == [shown, "after"]


@pytest.mark.parametrize("torn", [b'{"at_s": 1.0, "wh', b"\x00\xff", b"{}", b'{"at_s": 1e400, "who": ""'])
def test_a_torn_line_costs_no_other(torn: bytes, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("anna", "one")
    with log.path.open("ab") as file:
        file.write(torn)
    log.write("anna", "two")
    assert [entry.action for entry in read_audit(log.path)] == ["one", "two"]


def test_what_is_long_is_cut(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("anna", "robot.stop", reason="x" * 10_000_000)
    assert len(next(read_audit(log.path)).facts["reason"]) == LONGEST_TEXT


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("a", "b", "c")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    entries = list(read_audit(path))
    for name in ("a", "b", "c"):
        assert [entry.facts["n"] for entry in entries if entry.who == name] == list(range(20))


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write the audit log"):
        AuditLog(tmp_path / "file" / "audit.jsonl").write("anna", "one")


def test_the_command_filters_and_tells_a_terminal_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("anna", "model.promote", version=3)
    log.write("eve\x1b[2J", "robot.stop", reason="\x1b]0;owned\x07")
    assert main(["audit", "--file", str(log.path), "--action", "robot"]) == 0
    shown = capsys.readouterr().out
    assert "robot.stop" in shown
    assert "model.promote" not in shown
    assert "\x1b" not in shown
    assert main(["audit", "--file", str(log.path), "--who", "anna", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"] == {"version": 3}
    assert main(["audit", "--file", str(log.path), "--hours", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["audit", "--file", str(tmp_path / "none")]) == 1
