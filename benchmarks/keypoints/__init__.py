"""Speed of the keypoint model against what the machine can do: ``python -m benchmarks.keypoints --help``."""
