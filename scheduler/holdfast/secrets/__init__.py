"""Secrets and certificates: where they come from, and how they get into a launch."""
