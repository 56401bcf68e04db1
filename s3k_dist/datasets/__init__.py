"""Data sets: a stream with its labels, and the exchange folder of plain files that one is made from or turned into."""
