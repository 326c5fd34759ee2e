"""Tests of the plans, as pure facts."""
