"""The report: one whole page whatever a run left behind, with the summary's figures and nothing from elsewhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.report.page import build_report
from deploy.report.still import still_for_readme
from deploy.run_log import RunLog
from s3k_dist.errors import StorageError

NAMES = ("plug_tip", "plug_base", "socket")
VOID = {"meta", "input", "br", "img", "link", "hr"}
SUMMARY: dict[str, Any] = {
    "preset": "laptop",
    "seed": 7,
    "wall_s": 842.3,
    "machine": {"cpu": "Some <CPU>", "cores": 2, "ram_gib": 15.6, "os": "Linux", "python": "3.11.7"},
    "keypoints": {
        "model_version": 14,
        "labelled_frames": 120,
        "heldout_frames": 36,
        "unlabelled_frames": 9310,
        "image_px": 128,
        "rms_px": 0.412,
        "median_mm": 0.287,
        "p95_mm": 0.912,
        "per_keypoint_median_mm": {"plug_tip": 0.35, "plug_base": 0.29, "socket": 0.21},
    },
    "service": {"p50_ms": 9.1, "p99_ms": 33.4, "frames_per_s": 14.2},
    "policy": {
        "env_steps": 8123,
        "updates": 9500,
        "demonstrations": 51,
        "train_success_last_50": 0.96,
        "eval_episodes": 50,
        "eval_success_rate": 0.94,
        "eval_claimed_success_rate": 0.92,
        "false_success_rate": 0.002,
        "mean_steps_to_success": 14.3,
    },
    "stream": {"frames": 9466, "bytes": 312_000_000, "cells": {"cell0": 5000, "cell1": 4466}},
}


class Page(HTMLParser):
    """Follows the nesting, and keeps the text, the ids and what is referred to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.elements: list[str] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "srcset"):
                self.references.append(value or "")

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def check_whole(page: Page) -> None:
    """The page nests, repeats no id, and needs nothing that is not in it."""
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert all(each.startswith(("data:", "#")) for each in page.references)
    assert {each[1:] for each in page.references if each.startswith("#")} <= set(page.ids)
    assert not re.search(r"https?://|@import|url\((?!#|\"#)", page.source)


def pictures(size_px: int = 32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, size_px - 1, (5, 4, 3, 2))
    pixels[0, 0, 0] = np.nan
    pixels[1, 0, 0] = -50
    views = rng.uniform(8, size_px - 8, (2, 4, 3, 2))
    return {
        "keypoint_names": np.array(NAMES),
        "film_images": rng.integers(0, 255, (5, 4, size_px, size_px, 3), dtype=np.uint8),
        "film_pixels": pixels,
        "film_distance_mm": np.array([140, 90, 60, np.nan, 22]),
        "film_depth": np.linspace(0, 0.95, 5),
        "film_claimed": np.arange(5) == 4,
        "view_images": rng.integers(0, 255, (2, 4, size_px, size_px, 3), dtype=np.uint8),
        "view_heatmaps": rng.dirichlet(np.full(256, 0.1), (2, 4, 3)).reshape(2, 4, 3, 16, 16).astype(np.float16),
        "view_detected": views,
        "view_reprojected": views + 0.3,
        "view_truth": views - 0.2,
        "view_error_mm": rng.uniform(0, 1, (2, 3)),
    }


def write_run(folder: Path, summary: dict[str, Any], arrays: dict[str, np.ndarray] | None, *, log: bool) -> Path:
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps(summary))
    if arrays is not None:
        np.savez_compressed(folder / "pictures.npz", **arrays)  # type: ignore[arg-type]
    if log:
        (folder / "config.yaml").write_text("preset: laptop\ntask:\n  success_distance_m: 0.031\nodd: </pre><script>\n")
        names = ("policy/success_rate", "policy/claimed_rate", "keypoints/median_mm", "service/p99_ms", "policy/other")
        with RunLog(folder) as run_log:
            for step in range(20):
                for name in names:
                    run_log.add(name, (step + 1) / 20, step)
                run_log.add("phase", step // 10)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "a", SUMMARY, pictures(), log=True)


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page(build_report(run))


def test_the_page_is_whole_and_stands_alone(page: Page) -> None:
    check_whole(page)
    assert len(page.source) < 6e6


def test_the_page_says_what_the_summary_says(page: Page) -> None:
    for figure in ("94 %", "0.29 mm", "14 min", "0.2 %", "92%", "8,123", "0.91 mm", "47 of 50", "9.1 and 33.4 ms"):
        assert figure in page.text, figure
    assert "2 cells" in page.text
    assert "Some <CPU>" in page.text


def test_the_page_shows_film_charts_and_held_out_frames(page: Page) -> None:
    for title in ("An insertion", "How it learned", "What it sees in frames it never trained on", "Beside the paper"):
        assert title in page.text
    assert {"film", "film-play", "film-slider", "frame1"} <= set(page.ids)
    film = json.loads(page.source.partition('id="film-data">')[2].partition("</script>")[0])
    assert len(film["frames"]) == 5
    assert len(film["frames"][0]["marks"]) == 11  # one of twelve is not known
    assert len(film["frames"][1]["marks"]) == 11  # one of twelve is outside
    assert film["frames"][3]["distance_mm"] is None
    assert film["limit_mm"] == 31
    assert "31 mm, under which" in page.text


def test_a_film_that_ends_outside_is_no_insertion(tmp_path: Path) -> None:
    arrays = pictures() | {"film_depth": np.linspace(0, 0.3, 5)}
    page = Page(build_report(write_run(tmp_path / "run", SUMMARY, arrays, log=False)))
    assert "An attempt at insertion" in page.text
    assert "25 mm, under which" in page.text


def test_a_person_without_motion_or_mouse_is_served(page: Page) -> None:
    assert "prefers-reduced-motion" in page.source
    assert "prefers-color-scheme: dark" in page.source
    assert ":focus-visible" in page.source
    assert page.elements.count("button") == 1


def test_the_configuration_is_shown_as_text(page: Page) -> None:
    assert "odd: </pre><script>" in page.text


def test_charts_take_their_colours_from_the_page(page: Page) -> None:
    svg = page.source.partition("How it learned")[2].partition("</figure>")[0]
    assert "var(--truth)" in svg
    assert not re.search(r"#[0-9a-f]{6}", svg.partition("<svg")[2])


@pytest.mark.parametrize(
    "summary", [{}, {"preset": "smoke", "machine": "a machine"}, {"keypoints": {"median_mm": None}, "policy": {}}]
)
def test_a_run_that_left_little_still_gets_a_whole_page(tmp_path: Path, summary: dict[str, Any]) -> None:
    page = Page(build_report(write_run(tmp_path / "run", summary, None, log=False)))
    check_whole(page)
    assert "An insertion" not in page.text
    assert "nan" not in page.text.lower().split()


@pytest.mark.parametrize(
    "left_out",
    [
        ("film_pixels", "film_distance_mm", "film_depth", "film_claimed", "keypoint_names"),
        ("view_heatmaps", "view_truth", "view_error_mm"),
        ("film_images", "view_detected", "view_reprojected"),
        ("view_images",),
    ],
)
def test_pictures_may_lack_any_part(tmp_path: Path, left_out: tuple[str, ...]) -> None:
    arrays = {name: array for name, array in pictures().items() if name not in left_out}
    check_whole(Page(build_report(write_run(tmp_path / "run", SUMMARY, arrays, log=False))))


def test_a_missing_or_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no report without .*summary\.json"):
        build_report(tmp_path)
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(StorageError, match=r"summary\.json is damaged"):
        build_report(tmp_path)
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "pictures.npz").write_bytes(b"PK torn")
    with pytest.raises(StorageError, match=r"pictures\.npz"):
        build_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_still_is_a_wide_picture(run: Path, tmp_path: Path) -> None:
    from PIL import Image

    still_for_readme(run, tmp_path / "still.png")
    with Image.open(tmp_path / "still.png") as picture:
        assert picture.width == 1600
        assert np.asarray(picture.convert("L")).std() > 20


def test_no_film_is_no_still(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", SUMMARY, None, log=False)
    with pytest.raises(StorageError, match="no film"):
        still_for_readme(folder, tmp_path / "still.png")
