"""Frames in, one vector for the whole frame out: the encoder that the feature service runs beside the keypoints."""
