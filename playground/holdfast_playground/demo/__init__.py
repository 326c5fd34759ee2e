"""The demo: a real etcd service on a real cluster, while everything beneath it fails in turn."""
