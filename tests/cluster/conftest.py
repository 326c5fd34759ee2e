"""Tests here run against real clusters."""

from holdfast_playground.fixtures import cluster, cluster_factory

__all__ = ["cluster", "cluster_factory"]
