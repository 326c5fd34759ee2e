"""The durable record: ZooKeeper, with fenced writes."""
