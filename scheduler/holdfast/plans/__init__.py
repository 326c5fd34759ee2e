"""Plans, phases and steps, derived from the service and the pod records."""
