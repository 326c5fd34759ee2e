"""What others owe once a pod instance was replaced."""

from dataclasses import replace

from holdfast.core.ledger import Ledger
from holdfast.records import Pod

RESTARTED = "restarted since "
"""How the reason begins."""


def owe_restarts(ledger: Ledger, replaced: Pod) -> list[str]:
    """Record for each instance concerned that it is to be restarted; their names.

    Stored with the record that says that the replacement is over, so that neither is lost.
    """
    types = {spec.type: spec for spec in ledger.service.pods}
    rules = types[replaced.type].after_replace if replaced.type in types else ()
    concerned = {rule.restart for rule in rules if rule.concerns(replaced.index)}
    names = []
    for name in ledger.instance_names():
        pod = ledger.pods.get(name)
        if pod is not None and pod.type in concerned and name != replaced.name and pod.tasks:
            ledger.put_pod(replace(pod, restart=f"{RESTARTED}{replaced.name} was replaced"))
            names.append(name)
    return names
