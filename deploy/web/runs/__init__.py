"""The *Runs* page: every run of a folder, and two of them beside each other."""
