"""The S3K keypoint model: network (App. A), heatmaps (Eq. 5), losses (Eqs. 1, 3, 4), detector."""
