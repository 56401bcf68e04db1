"""The stream against bare files, WebDataset and a day of frames: ``python -m benchmarks.stream --help``."""
