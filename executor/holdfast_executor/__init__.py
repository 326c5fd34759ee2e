"""The Holdfast executor: supervises the tasks of one pod instance beside its data."""
