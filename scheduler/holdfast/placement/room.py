"""Whether an instance could grow where it runs, while it still runs."""

from holdfast.placement.constraints import Refusal
from holdfast.placement.disks import choose
from holdfast.placement.evaluate import amounts
from holdfast.placement.free import Free
from holdfast.placement.owner import ExecutorShare
from holdfast.placement.ports import assign
from holdfast.records import Reservation
from holdfast.service.model import PodSpec


def lacking(executor: ExecutorShare, pod: PodSpec, held: Reservation, free: Free) -> Refusal | None:
    """The first that is not free of what `pod` needs beyond what is held; None when all is.

    That much is taken from `free` then. With nothing free it tells whether the instance grows.
    """
    ports = assign(pod, free, held.ports)
    if isinstance(ports, Refusal):
        return ports
    cpus, memory_mb, gpus = amounts(pod, executor)
    wanted = {"cpus": cpus, "mem": memory_mb, "gpus": gpus}
    have = {"cpus": held.cpus, "mem": held.memory_mb, "gpus": held.gpus}
    more = {name: max(0.0, round(wanted[name] - have[name], 3)) for name in wanted}
    for name, amount in more.items():
        if amount > free.amounts[name]:
            offered = f"the agent offers {free.amounts[name]:g}"
            return Refusal(name, f"needs {amount:g} more, {offered}")
    there = {volume.path for volume in held.volumes}
    disks = choose([volume for volume in pod.volumes if volume.path not in there], free)
    if isinstance(disks, Refusal):
        return disks
    for name, amount in more.items():
        free.take(name, amount)
    for port in ports:
        if port.on_host and port.number not in held.host_ports:
            free.take_port(port.number)
    return None
