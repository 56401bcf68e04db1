"""2-D annotations and the 3-D labels triangulated from them."""
