"""``s3k evaluate keypoints``: accuracy of the promoted model on the held-out frames."""

import json
from dataclasses import asdict
from pathlib import Path

from deploy.keypoints import held_out_frames
from deploy.run_folder import RunFolder
from learners.keypoint.evaluation import evaluate
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry


def print_evaluation(root: Path) -> int:
    """Print the metrics as JSON.

    Raises:
        StorageError: the run has no promoted model, or no labels.
    """
    folder = RunFolder(root.absolute())
    version = folder.require_model()
    reader = StreamReader(folder.stream)
    reader.refresh()
    detector = KeypointDetector.load(WeightsRegistry(folder.models), version)
    metrics = evaluate(detector, held_out_frames(folder, reader))
    print(json.dumps({"model_version": version, **asdict(metrics)}, indent=1))  # noqa: T201
    return 0
