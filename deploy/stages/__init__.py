"""The stages of a run, in order: record, see, act, evaluate."""
