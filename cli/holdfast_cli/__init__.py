"""The `holdfast` command line."""
