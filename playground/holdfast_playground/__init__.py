"""A real Mesos cluster and ZooKeeper on one machine, for trying things out and for tests."""
