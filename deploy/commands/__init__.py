"""What the ``s3k`` command can do, by groups; each module adds its parsers, and imports what it needs when it runs."""
