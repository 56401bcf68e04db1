"""``s3k tune``: a search over the policy's settings on the insertion task with true keypoints."""
