"""The growing unlabelled stream: immutable msgpack shards of multi-view frames."""
