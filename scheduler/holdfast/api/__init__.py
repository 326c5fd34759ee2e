"""The HTTP API of a running scheduler."""
