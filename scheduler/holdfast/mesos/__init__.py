"""The wire: the Mesos v1 HTTP API and leader detection."""
