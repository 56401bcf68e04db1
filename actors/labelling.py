"""Labels for simulated cells: true keypoints, projected and clicked with a person's inaccuracy."""

from collections.abc import Sequence

import numpy as np

from actors.insertion import KEYPOINTS
from actors.recording import DEMONSTRATIONS, RecordedEpisode
from s3k_dist.drift.views import project
from s3k_dist.errors import ConfigError
from s3k_dist.geometry.camera import Camera
from s3k_dist.labels.store import Label


def click_labels(
    episodes: Sequence[RecordedEpisode],
    cameras: Sequence[Camera],
    *,
    train: int,
    held_out: int,
    click_noise_px: float,
    seed: int,
) -> list[Label]:
    """Label frames drawn from what the cells recorded, exploration included.

    Half of the frames come from exploration: the detector is used in the states that an exploring agent visits. Frames
    in which a keypoint is out of two views or more are passed over, as a person would.

    Args:
        episodes: what to draw from.
        cameras: of the cells, in the order of the views.
        train: number of frames to train on.
        held_out: number of frames to evaluate on.
        click_noise_px: standard deviation of a click along each image axis.
        seed: decides the draw and the noise.

    Raises:
        ConfigError: there are too few frames.
    """
    rng = np.random.default_rng((seed, 2))
    wanted = train + held_out
    pools: dict[bool, list[tuple[RecordedEpisode, int]]] = {True: [], False: []}
    for episode in episodes:
        for step in range(len(episode.sequences)):
            if (episode.visible[step].sum(axis=0) >= len(cameras) - 1).all():
                pools[episode.kind in DEMONSTRATIONS].append((episode, step))
    exploration = min(wanted // 2, len(pools[False]))
    if wanted - exploration > len(pools[True]):
        raise ConfigError(
            f"{wanted} labels wanted, but only {len(pools[True])} demonstration and {len(pools[False])} exploration "
            "frames were recorded"
        )
    chosen = [pools[False][i] for i in rng.permutation(len(pools[False]))[:exploration]]
    chosen += [pools[True][i] for i in rng.permutation(len(pools[True]))[: wanted - exploration]]
    labels = []
    for rank, index in enumerate(rng.permutation(wanted)):
        episode, step = chosen[index]
        labels.append(
            Label(
                frame=f"{episode.cell_id}/{int(episode.sequences[step]):08d}",
                split="train" if rank < train else "held_out",
                clicks=_clicks(episode, step, cameras, click_noise_px, rng),
            )
        )
    return labels


def _clicks(
    episode: RecordedEpisode, step: int, cameras: Sequence[Camera], noise_px: float, rng: np.random.Generator
) -> dict[str, dict[str, tuple[float, float]]]:
    points = episode.true_keypoints_m[step]
    clicks: dict[str, dict[str, tuple[float, float]]] = {}
    for view, camera in enumerate(cameras):
        pixels = project(points, camera)[0] + rng.normal(0, noise_px, (len(KEYPOINTS), 2))
        clicks[camera.name] = {
            name: (float(u), float(v))
            for name, (u, v), seen in zip(KEYPOINTS, pixels, episode.visible[step, view], strict=True)
            if seen
        }
    return clicks
