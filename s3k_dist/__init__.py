"""S3K keypoints: geometry, frames, stream, labels, keypoint model, weights and the feature service."""

__version__ = "0.1.0"
