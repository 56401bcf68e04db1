"""Keypoints of my images: python docs/examples/detect.py MODELS IMAGES

MODELS is what `s3k train keypoints` published, IMAGES an exchange folder (docs/data.md): PNG files and cameras.json.
"""

import sys
import tempfile
from pathlib import Path

from s3k_dist.datasets.exchange_import import import_dataset
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.weights import WeightsRegistry

models, images = WeightsRegistry(Path(sys.argv[1])), Path(sys.argv[2])
detector = KeypointDetector.load(models, models.current() or 1)
with tempfile.TemporaryDirectory() as folder:
    import_dataset(images, Path(folder) / "data")
    reader = DatasetFolder(Path(folder) / "data").open_stream()
    for number in range(len(reader)):
        seen = detector.extract(reader.read(number).frame)
        for name, point_m, covariance_m2 in zip(seen.keypoint_names, seen.positions_m, seen.covariance_m2, strict=True):
            at_mm = ", ".join(f"{1e3 * value:.1f}" for value in point_m)
            within_mm = 1e3 * covariance_m2.trace() ** 0.5
            print(f"{seen.cell_id}/{seen.sequence:08d} {name}: {at_mm} mm, within {within_mm:.1f}")
