"""Scenes to learn keypoints from: objects under cameras, with known truth; no robot."""
