"""``s3k calibrate``: the board to print, the guided capture, the report."""
