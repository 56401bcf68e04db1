"""Builds the keypoint learner of a run from its folder."""

from collections.abc import Mapping

import numpy as np

from actors.recording import load_recordings
from deploy.config import RunConfig
from deploy.run_folder import RunFolder
from learners.keypoint.batches import LabelledFrames
from learners.keypoint.data import labelled_frames, with_truth
from learners.keypoint.learner import KeypointLearner
from s3k_dist.keypoints.network import NetworkConfig
from s3k_dist.labels.store import load_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry


def build_learner(config: RunConfig, folder: RunFolder) -> KeypointLearner:
    """The keypoint learner, where it left off if it ran before.

    Raises:
        StorageError: labels or labelled frames are missing; `s3k collect` makes them.
    """
    reader = StreamReader(folder.stream)
    reader.refresh()
    labels = load_labels(folder.labels)
    learner = KeypointLearner(
        NetworkConfig(keypoint_names=labels.keypoints, image_size_px=config.cells.image_px),
        config.keypoints,
        labelled_frames(reader, labels.of_split("train"), labels.keypoints),
        held_out_frames(folder, reader),
        reader,
        WeightsRegistry(folder.models),
        seed=config.seed,
    )
    if folder.trainer.exists():
        learner.restore(folder.trainer)
    return learner


def held_out_frames(folder: RunFolder, reader: StreamReader) -> LabelledFrames:
    """The held-out frames, judged by the simulator's truth where it exists, by their clicks elsewhere."""
    labels = load_labels(folder.labels)
    held_out = labels.of_split("held_out")
    frames = labelled_frames(reader, held_out, labels.keypoints)
    return with_truth(frames, held_out, true_keypoints(folder))


def true_keypoints(folder: RunFolder) -> Mapping[str, np.ndarray]:
    """True keypoints of every recorded frame by its name, each of shape (3, 3), metres."""
    return {
        f"{episode.cell_id}/{int(sequence):08d}": episode.true_keypoints_m[step]
        for episode in load_recordings(folder.recordings)
        for step, sequence in enumerate(episode.sequences)
    }
