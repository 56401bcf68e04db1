"""Trains the S3K keypoint model from a few labels and the unlabelled stream."""
