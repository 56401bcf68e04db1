"""The gRPC feature service: frames in, 3-D keypoints with uncertainty out, and an embedding where one is asked for."""
