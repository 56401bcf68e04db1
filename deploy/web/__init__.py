"""``s3k web``: the pages of a project. Each page is a router of its own; `app.py` puts them together."""
