"""One contract for every store: whole files, ranges of them, and errors that say what is the matter."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from s3k_dist.errors import ConfigError, ShardGoneError, StorageError, StoreAwayError
from s3k_dist.stream.store import POINTER, StreamStore, open_store
from tests.s3k_dist.stream.stores import HANG_GUARD_S, S3Server, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StreamStore]:
    if request.param == "folder":
        yield open_store(tmp_path / "stream")
    elif request.param == "file":
        yield open_store(f"file://{tmp_path}/stream")
    elif request.param == "memory":
        yield open_store(f"memory://{tmp_path.name}/stream")
    else:
        running = request.getfixturevalue("server")
        yield open_store(f"{running.url}/{tmp_path.name}", **running.options)


def test_a_store_that_does_not_exist_yet_is_empty(store: StreamStore) -> None:
    assert store.list() == {}
    assert store.size("sim0/a.s3k") is None
    with pytest.raises(ShardGoneError):
        store.read("sim0/a.s3k", 0, 4)


def test_files_come_back_whole_and_in_ranges(store: StreamStore) -> None:
    content = bytes(range(256)) * 40
    store.put("sim0/a.s3k", content)
    store.put("sim1/b.s3k", b"short")

    assert store.list() == {"sim0/a.s3k": len(content), "sim1/b.s3k": 5}
    assert store.size("sim0/a.s3k") == len(content)
    assert store.read("sim0/a.s3k", 0, len(content)) == content
    assert store.read("sim0/a.s3k", 1000, 1010) == content[1000:1010]
    assert store.read("sim1/b.s3k", 0, 16_384) == b"short"
    assert store.read("sim1/b.s3k", 2, 2) == b""


def test_create_never_replaces(store: StreamStore) -> None:
    assert store.create("sim0/lease", b"first")
    assert not store.create("sim0/lease", b"second")
    assert store.read("sim0/lease", 0, 100) == b"first"
    store.put("sim0/lease", b"put replaces")
    assert store.read("sim0/lease", 0, 100) == b"put replaces"


def test_files_are_moved_and_removed(store: StreamStore) -> None:
    store.put("sim0/a.s3k", b"content")
    store.move("sim0/a.s3k", "sim0/a.s3k.damaged")
    assert store.list() == {"sim0/a.s3k.damaged": 7}
    store.remove("sim0/a.s3k.damaged")
    store.remove("sim0/a.s3k.damaged")
    assert store.list() == {}


def test_a_later_look_sees_what_came_and_what_went(store: StreamStore) -> None:
    for count in range(5):
        assert len(store.list()) == count
        store.put(f"sim0/{count}.s3k", b"x")
    store.remove("sim0/2.s3k")
    assert sorted(store.list()) == ["sim0/0.s3k", "sim0/1.s3k", "sim0/3.s3k", "sim0/4.s3k"]


def test_hidden_files_and_other_levels_are_not_listed(tmp_path: Path) -> None:
    for name in (".hidden/a.s3k", "sim0/.a.s3k.tmp", "top", "sim0/deep/a.s3k"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert [name for name in open_store(tmp_path).list() if name != "sim0/deep"] == []


def test_a_folder_may_stand_for_a_stream_elsewhere(tmp_path: Path) -> None:
    open_store(tmp_path / "there").put("sim0/a.s3k", b"x")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / POINTER).write_text(f"{tmp_path / 'there'}\n")
    assert open_store(tmp_path / "here").list() == {"sim0/a.s3k": 1}

    (tmp_path / "here" / POINTER).write_text(str(tmp_path / "here"))
    with pytest.raises(ConfigError, match="expected the path or URL of a stream"):
        open_store(tmp_path / "here")


@pytest.mark.parametrize(
    ("url", "says"), [("gopher://x/y", "cannot be opened: .*gopher"), ("sftp://host/x", "this needs `pip install")]
)
def test_a_url_that_nothing_here_speaks_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_store(url)


def test_a_store_that_is_not_there_is_away(failing: Any) -> None:
    store = open_store("failing://stream")
    failing.away = True
    calls: list[Callable[[], object]] = [store.list, lambda: store.size("a/b"), lambda: store.put("a/b", b"")]
    for call in calls:
        with pytest.raises(StoreAwayError, match=r"failing://stream: .*ConnectionRefusedError: nobody listens"):
            call()


def test_a_store_that_hangs_is_given_up_on(failing: Any) -> None:
    store = open_store("failing://stream", deadline_s=0.05)
    failing.hangs = threading.Event()
    with pytest.raises(StoreAwayError, match=r"no answer within 0.05 s"):
        store.list()
    for _ in range(40):  # more than may hang at a time
        with pytest.raises(StoreAwayError):
            store.size("a/b")
    assert sum(thread.name == "bounded-call" for thread in threading.enumerate()) <= 32
    failing.hangs.set()
    for thread in threading.enumerate():
        if thread.name == "bounded-call":
            thread.join(HANG_GUARD_S)
    assert store.list() == {}


def test_a_file_system_without_whole_puts_gets_a_rename(tmp_path: Path) -> None:
    # fsspec's own file system for local files, as sftp is: a file can be seen half-written.
    from s3k_dist.stream.remote_store import RemoteStore

    store = RemoteStore(f"local://{tmp_path}/stream", 20.0, {})
    store.put("sim0/a.s3k", b"content")
    assert store.list() == {"sim0/a.s3k": 7}
    assert [path.name for path in (tmp_path / "stream" / "sim0").iterdir()] == ["a.s3k"]


def test_a_server_that_stops_and_starts(server: S3Server, tmp_path: Path) -> None:
    store = open_store(f"{server.url}/{tmp_path.name}", deadline_s=5.0, **server.options)
    store.put("sim0/a.s3k", b"content")
    server.stop()
    with pytest.raises(StoreAwayError):
        store.list()
    with pytest.raises(StoreAwayError):
        store.put("sim0/b.s3k", b"lost?")
    server.start()
    assert store.list() == {"sim0/a.s3k": 7}


def test_a_bucket_that_is_not_there_is_named(server: S3Server) -> None:
    store = open_store("s3://no-such-bucket/stream", **server.options)
    with pytest.raises(StorageError, match="no-such-bucket"):
        store.put("sim0/a.s3k", b"content")


def test_memory_is_really_fsspec() -> None:
    open_store("memory://proof").put("sim0/a.s3k", b"x")
    assert fsspec.filesystem("memory").cat("/proof/sim0/a.s3k") == b"x"


def test_a_server_is_found_through_the_environment(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("ENDPOINT_URL", server.options["endpoint_url"]),
        ("ACCESS_KEY_ID", "k"),
        ("SECRET_ACCESS_KEY", "s"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    store = open_store(f"{server.url}/{tmp_path.name}")
    store.put("sim0/a.s3k", b"content")
    assert store.list() == {"sim0/a.s3k": 7}
