"""Holdfast: a Mesos framework that runs stateful services next to their data."""

__version__ = "0.1.0"
