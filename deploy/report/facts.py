"""What the report says in words and tables: every figure from ``summary.json``, what is missing left out."""

from dataclasses import dataclass
from typing import Any

Summary = dict[str, Any]


@dataclass(frozen=True)
class Headline:
    """One large figure."""

    figure: str
    unit: str
    what: str


@dataclass(frozen=True)
class Row:
    """One line of a table: what, this run's value, and the paper's or an explanation."""

    what: str
    value: str
    other: str


def figure(summary: Summary, path: str) -> float | None:
    """The number at ``part.key``, or None if it is missing or no number."""
    value: Any = summary
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) and value == value else None


def headlines(summary: Summary) -> list[Headline]:
    """The figures that a person asks for first."""
    found = []
    if (success := figure(summary, "policy.eval_success_rate")) is not None:
        episodes = _count(summary, "policy.eval_episodes")
        found.append(
            Headline(*_percent(success), f"of {episodes} held-out insertions succeed, by the simulator's truth")
        )
    if (error := figure(summary, "keypoints.median_mm")) is not None:
        frames = _count(summary, "keypoints.heldout_frames")
        found.append(Headline(f"{error:.2f}", "mm", f"median keypoint error on {frames} held-out frames"))
    if (wall := figure(summary, "wall_s")) is not None:
        cores = figure(summary, "machine.cores")
        found.append(Headline(*_wall(wall), "from nothing to here" + (f", on {cores:.0f} cores" if cores else "")))
    if (false := figure(summary, "policy.false_success_rate")) is not None:
        found.append(Headline(*_percent(false), "of all episodes claimed a success that was none"))
    return found


def lead(summary: Summary) -> str:
    """What happened, in two sentences."""
    text = ""
    labelled, demonstrations = _count(summary, "keypoints.labelled_frames"), _count(summary, "policy.demonstrations")
    if "–" not in (labelled, demonstrations):
        text = f"This run began with {labelled} labelled frames and {demonstrations} demonstrations. "
    success, episodes = figure(summary, "policy.eval_success_rate"), figure(summary, "policy.eval_episodes")
    if success is not None and episodes:
        times = round(success * episodes)
        text += f"At its end the robot inserted the plug in {times} of {episodes:.0f} episodes that it had never met."
    return text.strip()


def against_the_paper(summary: Summary) -> list[Row]:
    """This run beside the figures of sections 6.2 and 6.3 and of the abstract."""
    success = figure(summary, "policy.eval_success_rate")
    median, wall = figure(summary, "keypoints.median_mm"), figure(summary, "wall_s")
    rows = [
        Row("Success at the end", _joined(success, _percent), "above 95% on keypoints, about 60% on VAE features"),
        Row("Keypoint accuracy", "–" if median is None else f"{median:.2f} mm, median", "1 to 5 mm"),
        Row("False claims of success", _false(summary), "none observed"),
        Row("Labelled frames", _split(summary), "120, and 36 held out"),
        Row("Unlabelled frames", _count(summary, "keypoints.unlabelled_frames"), "about 3,000 before the agent learns"),
        Row("Demonstrations", _count(summary, "policy.demonstrations"), "51"),
        Row("Time steps of learning to act", _count(summary, "policy.env_steps"), "40,000"),
        Row(
            "Time",
            "–" if wall is None else f"{' '.join(_wall(wall))}, for everything",
            "about 3 h, for learning to act",
        ),
        Row("Robot", "simulated, as fast as the machine allows", "a real Sawyer at 4 Hz"),
    ]
    return [row for row in rows if row.value != "–"]


def glossary(summary: Summary) -> list[Row]:
    """Each number of the summary, and what it means."""
    policy, keypoints, service = "policy.", "keypoints.", "service."
    rows = [
        Row(
            "Success by truth",
            _joined(figure(summary, policy + "eval_success_rate"), _percent),
            "Held-out episodes that end with the pin at least 90% in, as the simulator knows and the agent never sees.",
        ),
        Row(
            "Success as claimed",
            _joined(figure(summary, policy + "eval_claimed_success_rate"), _percent),
            "The same episodes, judged by the served keypoints alone: what a real robot would report.",
        ),
        Row(
            "False claims",
            _false(summary),
            "Claimed, and not true, over all episodes. An agent that learns to fool its camera shows up here.",
        ),
        Row(
            "Steps to success",
            _shown(summary, policy + "mean_steps_to_success", "{:.1f}"),
            "Mean over the held-out successes; a step takes a quarter of a second.",
        ),
        Row(
            "Success while learning",
            _joined(figure(summary, policy + "train_success_last_50"), _percent),
            "The last 50 training episodes, by truth, with exploration noise on the actions.",
        ),
        Row(
            "Demonstrations cloned",
            _joined(figure(summary, policy + "cloned_success_rate"), _percent),
            "What imitation alone reaches, before the policy learns from its own trials.",
        ),
        Row(
            "Median error",
            _shown(summary, keypoints + "median_mm", "{:.3f} mm"),
            "Half of the keypoints in held-out frames lie closer than this to where they truly are, in 3-D.",
        ),
        Row(
            "95th percentile",
            _shown(summary, keypoints + "p95_mm", "{:.2f} mm"),
            "One keypoint in twenty is worse than this.",
        ),
        Row(
            "RMS error in images",
            _shown(summary, keypoints + "rms_px", "{:.3f} px"),
            f"Detections in single views, in pixels of images {_count(summary, keypoints + 'image_px')} px wide.",
        ),
        Row(
            "Error where the agent goes",
            _shown(summary, keypoints + "visited_median_mm", "{:.2f} mm"),
            "Median on the states of the last training episodes, where no label may be near: the error that counts.",
        ),
        Row(
            "Service, median and p99",
            _latency(summary),
            "From frame to keypoints, over gRPC, while everything ran at once. The robot acts every 250 ms.",
        ),
        Row(
            "Service, throughput",
            _shown(summary, service + "frames_per_s", "{:.1f} frames/s"),
            "Frames of all views answered each second, as the cells asked for them.",
        ),
        Row(
            "Stream",
            _stream(summary),
            "What the cells recorded; the keypoint model goes on learning from it unlabelled.",
        ),
        Row(
            "Policy updates",
            _count(summary, policy + "updates"),
            "Gradient steps of the policy, those on demonstrations before the first trial included.",
        ),
    ]
    return [row for row in rows if row.value != "–"]


def machine(summary: Summary) -> str:
    """What the run ran on, in one line."""
    found = summary.get("machine", "")
    if not isinstance(found, dict):
        return str(found)
    cores, memory = found.get("cores"), found.get("ram_gib")
    parts = (
        found.get("cpu"),
        f"{cores} cores" if cores else None,
        f"{memory} GiB" if memory else None,
        found.get("os"),
        f"Python {found['python']}" if found.get("python") else None,
    )
    return ", ".join(str(part) for part in parts if part)


def _percent(share: float) -> tuple[str, str]:
    digits = 0 if share in (0, 1) or round(100 * share, 1).is_integer() else 1
    return f"{100 * share:.{digits}f}", "%"


def _wall(seconds: float) -> tuple[str, str]:
    return (f"{seconds / 60:.0f}", "min") if seconds >= 120 else (f"{seconds:.0f}", "s")


def _joined(value: float | None, shape: Any) -> str:
    return "–" if value is None else "".join(shape(value))


def _shown(summary: Summary, path: str, shape: str) -> str:
    value = figure(summary, path)
    return "–" if value is None else shape.format(value)


def _count(summary: Summary, path: str) -> str:
    return _shown(summary, path, "{:,.0f}")


def _false(summary: Summary) -> str:
    rate, times = figure(summary, "policy.false_success_rate"), figure(summary, "policy.false_successes")
    text = _joined(rate, _percent)
    return text if rate is None or times is None else f"{text}, {times:.0f} in all"


def _split(summary: Summary) -> str:
    labelled, held_out = _count(summary, "keypoints.labelled_frames"), _count(summary, "keypoints.heldout_frames")
    return "–" if labelled == "–" else f"{labelled}, and {held_out} held out"


def _latency(summary: Summary) -> str:
    p50, p99 = figure(summary, "service.p50_ms"), figure(summary, "service.p99_ms")
    return "–" if p50 is None or p99 is None else f"{p50:.1f} and {p99:.1f} ms"


def _stream(summary: Summary) -> str:
    frames, size = figure(summary, "stream.frames"), figure(summary, "stream.bytes")
    if frames is None or size is None:
        return "–"
    cells = summary["stream"].get("cells", 1)
    number = cells if isinstance(cells, int) else len(cells)
    return f"{frames:,.0f} frames, {size / 2**20:,.0f} MiB, {number} cell{'s' if number != 1 else ''}"
