"""What becomes of a pod instance that has failed: it waits, is replaced, or an operator is asked.

Pure functions of the records, the policy in svc.yml and the time, so that a restarted scheduler
decides the same.
"""
