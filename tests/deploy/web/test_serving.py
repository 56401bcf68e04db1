"""``s3k web`` as a process: where it may listen, and what a kill leaves."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.cli import main
from deploy.web.serve import WebSettings, parse_address, refuse_open, tls_of
from s3k_dist.errors import ConfigError
from tests.deploy.web.conftest import Toys


def test_a_kill_straight_after_a_click_leaves_the_label_stored(toys: Toys, tmp_path: Path) -> None:
    toys.begin()
    log = tmp_path / "log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "web", "--data", str(toys.folder.root), "--address", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        assert server.stdout is not None
        line = server.stdout.readline().decode()
        address = re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)", line)
        assert address, log.read_text()
        request = urllib.request.Request(
            f"{address[1]}/label/frames/plush/0/label",
            json.dumps({"version": "", "marks": {"clicks": {"cam0": {"head": [12.25, 3.5]}}}}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {address[2]}"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
            server.send_signal(signal.SIGKILL)
    finally:
        server.kill()
        server.communicate()
    (label,) = toys.labels().labels
    assert label.clicks["cam0"]["head"] == (12.25, 3.5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--address", "0.0.0.0:8470"], "name the tokens of those who may come in with --tokens"),
        (["--address", "192.168.1.5:8470"], "beyond this machine"),
        (["--address", "lab.example:8470", "--tokens", "t.json"], "--behind-proxy"),
        (["--address", "8470"], "expected HOST:PORT"),
        (["--address", "127.0.0.1:0", "--credentials", "/nowhere"], "/nowhere"),
        (["--address", "127.0.0.1:0", "--tokens", "/nowhere/tokens.json"], "cannot read the tokens"),
    ],
)
def test_what_is_not_safe_does_not_start(
    toys: Toys, given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["web", "--data", str(toys.folder.root), *given]) == 1
    assert says in capsys.readouterr().err


def test_a_folder_that_is_no_data_set_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web", "--data", str(tmp_path), "--address", "127.0.0.1:0"]) == 1
    assert "is no data set" in capsys.readouterr().err


def test_addresses() -> None:
    assert parse_address("[::1]:80") == ("::1", 80)
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address("127.0.0.1:99999")
    beyond = WebSettings(Path(), "10.0.0.1:80", tokens=Path("t"), proxy="10.0.0.2")
    refuse_open(beyond, local=False)


def test_renewed_certificates_are_shown_to_the_next_browser(tmp_path: Path) -> None:
    authority, desk = str(tmp_path / "authority"), tmp_path / "desk"
    assert main(["certs", "init", "--authority", authority]) == 0
    assert main(["certs", "issue", "service/desk", "--out", str(desk), "--host", "lab", "--authority", authority]) == 0
    server = tls_of(desk)(None, None)
    first = shown(server, desk / "ca.pem")
    assert shown(server, desk / "ca.pem") == first
    assert main(["certs", "renew", str(desk), "--authority", authority]) == 0
    assert shown(server, desk / "ca.pem") != first


def shown(server: ssl.SSLContext, authority: Path) -> bytes | None:
    """The certificate that a browser sees, which knows the server as "lab"."""
    client = ssl.create_default_context(cafile=authority)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up, server_hostname="lab"), server.wrap_bio(up, down, server_side=True)]
    for end in ends * 4:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return ends[0].getpeercert(binary_form=True)
