"""A web page from which a person drives a cell."""
