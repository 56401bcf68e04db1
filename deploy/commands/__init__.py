"""The ``s3k`` command's parts: each adds its own."""
