"""The main job over several seeds, as a table in ``docs/experiments/main_job.md`` and a picture for the README.

python -m experiments.main_job --seeds 0 1 2            # runs them, then writes the page
python -m experiments.main_job --from runs/a runs/b     # writes the page from runs that are there
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.report.still import still_for_readme
from deploy.run_folder import RunFolder
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

PAGE = Path("docs/experiments/main_job.md")
PICTURE = Path("docs/images/report.png")
# Row, path into summary.json, format, what the paper reports (sections 6.2, 6.3 and the abstract).
ROWS = (
    ("success by truth, held-out episodes", "policy.eval_success_rate", "{:.2f}", "> 0.95"),
    ("success as claimed by keypoints", "policy.eval_claimed_success_rate", "{:.2f}", "not given"),
    ("false claims, all episodes", "policy.false_success_rate", "{:.4f}", "none observed"),
    ("success of the cloned policy alone", "policy.cloned_success_rate", "{:.2f}", "not given"),
    ("mean steps to success", "policy.mean_steps_to_success", "{:.1f}", "not given"),
    ("environment steps", "policy.env_steps", "{:,.0f}", "40,000"),
    ("policy updates", "policy.updates", "{:,.0f}", "not given"),
    ("demonstrations", "policy.demonstrations", "{:.0f}", "51"),
    ("labelled frames", "keypoints.labelled_frames", "{:.0f}", "120"),
    ("held-out frames", "keypoints.heldout_frames", "{:.0f}", "36"),
    ("unlabelled frames", "keypoints.unlabelled_frames", "{:,.0f}", "about 3,000"),
    ("keypoint error, median, mm", "keypoints.median_mm", "{:.2f}", "1 to 5"),
    ("keypoint error, 95th percentile, mm", "keypoints.p95_mm", "{:.2f}", "not given"),
    ("keypoint error on visited states, median, mm", "keypoints.visited_median_mm", "{:.2f}", "not given"),
    ("pixel error, RMS", "keypoints.rms_px", "{:.2f}", "not given"),
    ("feature request, median, ms", "service.p50_ms", "{:.1f}", "not given"),
    ("feature request, 99th percentile, ms", "service.p99_ms", "{:.1f}", "not given"),
    ("wall time, minutes", "wall_min", "{:.1f}", "about 180 (real time)"),
)


def main() -> int:
    """Run or collect, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--from", dest="folders", type=Path, nargs="+", default=None, metavar="DIR")
    options = parser.parse_args()
    folders = options.folders or [_run(options.preset, seed, options.out) for seed in options.seeds]
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    write_atomic(PAGE, page(summaries).encode())
    print(f"wrote {PAGE}")
    if RunFolder(folders[0]).pictures.exists():
        make_folder(PICTURE.parent)
        still_for_readme(folders[0], PICTURE)
        print(f"wrote {PICTURE}")
    return 0


def page(summaries: list[dict[str, Any]]) -> str:
    """The page for some runs."""
    machine = summaries[0]["machine"]
    seeds = [summary["seed"] for summary in summaries]
    lines = [
        "# The main job over several seeds",
        "",
        f"Made by `python -m experiments.main_job --seeds {' '.join(map(str, seeds))}`; numbers are not edited.",
        "",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['ram_gib']} GiB, no GPU, {machine['os']}. "
        f"Nothing else of weight ran on it. {summaries[0]['policy']['eval_episodes']} held-out episodes a run, "
        "on served keypoints, without exploration noise.",
        "",
        "| | " + " | ".join(f"seed {seed}" for seed in seeds) + " | paper |",
        "|---|" + "---|" * (len(seeds) + 1),
    ]
    for title, path, form, paper in ROWS:
        values = [_value(summary, path) for summary in summaries]
        cells = ["-" if value is None else form.format(value) for value in values]
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {paper} |")
    lines += [
        "",
        "The paper's figures are from a real robot at 4 Hz (section 6); ours from the simulated cell, which runs as",
        "fast as the machine allows. A success by truth is a pin at least 90% of the hole's depth in. False claims are",
        "counted over all training and evaluation episodes.",
        "",
    ]
    return "\n".join(lines)


def _run(preset: str, seed: int, out: Path) -> Path:
    folder = out / f"{preset}-seed{seed}"
    command = [sys.executable, "-m", "deploy.cli", "run", "--preset", preset, "--seed", str(seed), "--out", str(folder)]
    subprocess.run(command, check=True)
    return folder


def _value(summary: dict[str, Any], path: str) -> float | None:
    if path == "wall_min":
        return float(summary["wall_s"]) / 60
    node: Any = summary
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return None if node is None else float(node)


if __name__ == "__main__":
    sys.exit(main())
