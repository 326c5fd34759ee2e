"""What the operator asked for: svc.yml read into a model."""
