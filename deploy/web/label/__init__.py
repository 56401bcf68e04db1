"""The *Label* page: clicking keypoints into the views of a moment."""
