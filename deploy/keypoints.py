"""Builds the keypoint learner of a run from its folder."""

from collections.abc import Sequence

from deploy.config import RunConfig
from deploy.device import compute_device
from deploy.followed_labels import FollowedLabels
from deploy.recorded_truth import true_keypoints
from deploy.run_folder import RunFolder
from learners.keypoint.batches import LabelledFrames
from learners.keypoint.data import labelled_frames, with_truth
from learners.keypoint.learner import KeypointLearner
from s3k_dist.access.audit import AuditLog
from s3k_dist.errors import FrameError, StorageError
from s3k_dist.keypoints.network import NetworkConfig
from s3k_dist.labels.store import Label, LabelFile, Split, load_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry


def build_learner(config: RunConfig, folder: RunFolder) -> KeypointLearner:
    """The keypoint learner, where it left off if it ran before.

    It goes on without what a disk has damaged, and says so: without a labelled frame, and from the promoted weights if
    its own state cannot be read.

    Raises:
        StorageError: no labels or labelled frames are left; `s3k collect` makes them.
    """
    reader = StreamReader(folder.stream)
    reader.refresh()
    followed = FollowedLabels(folder, reader)
    labels = followed.first
    lost: list[str] = []

    def made() -> KeypointLearner:
        return KeypointLearner(
            NetworkConfig(keypoint_names=labels.keypoints, image_size_px=config.cells.image_px),
            config.keypoints,
            training,
            held_out,
            reader,
            WeightsRegistry(folder.models, AuditLog(folder.audit), "keypoint-learner"),
            seed=config.seed,
            new_labels=followed.changed,
            device=compute_device(),
        )

    training = labelled_frames(reader, readable(reader, finished(labels, "train", lost), lost), labels.keypoints)
    held_out = held_out_frames(folder, reader, lost)
    learner = made()
    if folder.trainer.exists():
        try:
            learner.restore(folder.trainer)
        except StorageError as error:
            learner = made()  # half restored is worse than new
            learner.begin_from_served()
            learner.tell(f"{error}; the keypoint learner begins from the promoted weights")
    for why in lost:
        learner.tell(f"a label is not used: {why}")
    return learner


def held_out_frames(folder: RunFolder, reader: StreamReader, lost: list[str] | None = None) -> LabelledFrames:
    """The held-out frames, judged by the simulator's truth where it exists, by their clicks elsewhere.

    Where ``lost`` is given, a frame that cannot be read is left out and named there.

    Raises:
        StorageError: there are none, or one cannot be read.
    """
    labels = load_labels(folder.labels)
    held_out = finished(labels, "held_out", [] if lost is None else lost)
    if lost is not None:
        held_out = readable(reader, held_out, lost)
    frames = labelled_frames(reader, held_out, labels.keypoints)
    return with_truth(frames, held_out, true_keypoints(folder))


def finished(labels: LabelFile, split: Split, lost: list[str]) -> tuple[Label, ...]:
    """The labels of a split that say where every keypoint is; of the others, ``lost`` is told what is missing."""
    kept = labels.finished(split)
    under_way = [label for label in labels.of_split(split) if label not in kept]
    lost += [f"frame {label.frame}: {label.unfinished(labels.keypoints)}" for label in under_way]
    return kept


def readable(reader: StreamReader, labels: Sequence[Label], lost: list[str]) -> tuple[Label, ...]:
    """The labels whose frames can be read; of the others, ``lost`` is told why not."""
    kept = []
    for label in labels:
        try:
            reader.read_by_id(label.frame)
            kept.append(label)
        except (StorageError, FrameError) as error:
            lost.append(f"frame {label.frame}: {error}")
    return tuple(kept)
