"""The experiment of Fig. 7 with runs that a stand-in for the `s3k` command writes: order, sharing, slices, page."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.insertion import KEYPOINTS
from actors.sim.cell import CableCell, CableCellSpec
from deploy.run_folder import RunFolder
from experiments import insertion, shared_start
from s3k_dist.errors import S3KError
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import ModelManifest, WeightsRegistry

NETWORK = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=64, channels=(4, 8), residual_blocks=0)


class Command:
    """Does with a folder what `s3k` would, in no time; notes what it was asked."""

    def __init__(self, cell: CableCell) -> None:
        self.asked: list[list[str]] = []
        self.stop_at: str | None = None
        self._cell = cell

    def __call__(self, arguments: Sequence[str], ends_s: float | None) -> bool:
        self.asked.append(list(arguments))
        if arguments[0] == self.stop_at:
            self.stop_at = None
            return False
        match arguments[:2]:
            case ["collect", _]:
                folder = RunFolder(_value(arguments, "--out"))
                folder.create()
                folder.note(recorded=True)
            case ["train", "keypoints"]:
                folder = RunFolder(_value(arguments, "--run"))
                _publish(folder.models, "keypoints")
                folder.note(sees=True)
            case ["train", "vae"]:
                _publish(_value(arguments, "--out"), "vae")
            case _:
                self._run(RunFolder(_value(arguments, "--resume")))
        return True

    def _run(self, folder: RunFolder) -> None:
        rng = np.random.default_rng(len(self.asked))
        lines = [_line(f"e{n}", true=rng.random() < n / 100, claimed=True) for n in range(200)]
        lines += [_line("held", true=True, claimed=True, stage="evaluate")]
        folder.episodes.write_text("".join(json.dumps(line) + "\n" for line in lines))
        false = next(line["episode"] for line in lines if not line["truly_inserted"])
        with StreamWriter(folder.stream, self._cell.cell_id) as writer:
            for step in (0, 20):
                writer.append(StreamRecord(self._cell.observe().frame, false, step, model_version=1))
        folder.summary.write_text(json.dumps(_summary()))

    @property
    def names(self) -> list[str]:
        """First words and folders."""
        return [f"{' '.join(words[:2])} {Path(words[words.index(_flag(words)) + 1]).name}" for words in self.asked]


@pytest.fixture(scope="module")
def cell() -> Iterator[CableCell]:
    cell = CableCell(CableCellSpec(image_px=64))
    cell.reset(0)
    yield cell
    cell.stop()


@pytest.fixture
def command(cell: CableCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    command = Command(cell)
    monkeypatch.setattr(shared_start, "s3k", command)
    return command


def test_curves_of_a_seed_share_what_they_see_with_and_the_page_shows_them(command: Command) -> None:
    names = ["keypoints-seed0", "vae-seed0", "vae-seed1", "ungated-frozen"]
    assert insertion.main([argument for name in names for argument in ("--curve", name)]) == 0
    assert command.names == [
        "collect --preset base-standard-seed0",
        "train keypoints base-standard-seed0",
        "run --resume keypoints-seed0",
        "train vae encoder-vae",
        "run --resume vae-seed0",
        "collect --preset base-standard-seed1",
        "train keypoints base-standard-seed1",
        "run --resume vae-seed1",
        "run --resume ungated-frozen",
    ]
    assert "cells.level=standard" in command.asked[0]
    assert {"task.observation=vae", "policy.env_steps=20000"} <= set(command.asked[4])
    assert {"task.min_confidence=0", "keypoints.follow_stream=false"} <= set(command.asked[-1])
    root = Path("runs/experiments/insertion/cpu")
    assert WeightsRegistry(RunFolder(root / "vae-seed1").encoder("vae")).current() == 1
    text = Path("docs/experiments/insertion.md").read_text()
    assert "Not run: state-seed0, keypoints-seed1" in text
    assert "| ungated-frozen | standard | 97% |" in text
    assert "## Claims that are not true" in text
    assert re.search(r"\| not gated, frozen \| 200 \| 200 \| \d+ \|", text)
    pictures = re.findall(r"!\[.*?\]\(\.\./(images/.*?)\)", text)
    assert len(pictures) == 3
    for picture in pictures:
        assert (Path("docs") / picture).stat().st_size > 5000
    # Nothing is done twice.
    command.asked.clear()
    assert insertion.main(["--curve", "vae-seed0"]) == 0
    assert command.asked == []


@pytest.mark.parametrize("where", ["collect", "train", "run"])
def test_a_slice_that_ends_goes_on_where_it_was(command: Command, where: str) -> None:
    command.stop_at = where
    assert insertion.main(["--curve", "keypoints-seed0", "--slice-min", "5"]) == 0
    assert not Path("docs/experiments/insertion.md").exists()
    assert insertion.main(["--curve", "keypoints-seed0", "--slice-min", "5"]) == 0
    assert "keypoints-seed0" in Path("docs/experiments/insertion.md").read_text()
    assert [name.split()[0] for name in command.names].count(where) == 2


def test_half_a_copy_is_no_run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(source: Path, target: Path) -> None:
        target.mkdir()
        raise OSError("disk full")

    whole = shutil.copytree
    monkeypatch.setattr(shutil, "copytree", torn)
    with pytest.raises(OSError, match="disk full"):
        insertion.main(["--curve", "keypoints-seed0"])
    monkeypatch.setattr(shutil, "copytree", whole)
    assert insertion.main(["--curve", "keypoints-seed0"]) == 0
    assert command.names.count("train keypoints base-standard-seed0") == 1


def test_an_unknown_curve_is_named_with_those_there_are(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert insertion.main(["--curve", "pixels"]) == 1
    assert "no curve 'pixels'; there are: keypoints-seed0, vae-seed0, state-seed0" in capsys.readouterr().err
    assert insertion.main(["--list"]) == 0
    assert "open  ungated-frozen" in capsys.readouterr().out


def test_a_command_that_fails_is_named() -> None:
    with pytest.raises(S3KError, match="`s3k evaluate policy --run nowhere` ended with code 1"):
        shared_start.s3k(["evaluate", "policy", "--run", "nowhere"], None)


def _flag(words: Sequence[str]) -> str:
    return next(word for word in ("--resume", "--out", "--run") if word in words)


def _value(arguments: Sequence[str], flag: str) -> Path:
    return Path(arguments[list(arguments).index(flag) + 1])


def _publish(folder: Path, kind: str) -> None:
    registry = WeightsRegistry(folder)
    weights = KeypointNetwork(NETWORK).state_dict() if kind == "keypoints" else {"weight": torch.zeros(1)}
    manifest = ModelManifest(kind=kind, config=NETWORK.model_dump(mode="json"), metrics={"explained_variance": 0.5})
    registry.promote(registry.publish(weights, manifest))


def _line(episode: str, *, true: bool, claimed: bool, stage: str = "train") -> dict[str, Any]:
    return {
        "stage": stage,
        "episode": episode,
        "seed": 7,
        "steps": 20,
        "claimed": claimed,
        "truly_inserted": bool(true),
        "true_depth": 0.95 if true else 0.2,
        "model_version": 1,
    }


def _summary() -> dict[str, Any]:
    return {
        "wall_s": 600.0,
        "machine": {"cpu": "a CPU", "cores": 2},
        "keypoints": {"labelled_frames": 120, "visited_median_mm": 0.6},
        "policy": {
            "eval_success_rate": 0.97,
            "eval_claimed_success_rate": 0.98,
            "cloned_success_rate": 0.6,
            "eval_episodes": 100,
            "false_successes": 3,
            "mean_steps_to_success": 12.0,
            "env_steps": 4000,
            "demonstrations": 51,
        },
    }
