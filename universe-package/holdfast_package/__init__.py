"""Builds the package for the DC/OS catalog, serves it, and renders it as the catalog would."""
