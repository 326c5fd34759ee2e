"""Records from the future: what was stored while the clock of some scheduler was ahead. Pure."""

from dataclasses import replace

from holdfast.records import Pod, Task

TOLERANCE_SECONDS = 60.0
"""By how much the clocks of two machines may differ without anybody caring."""


def not_from_the_future(pod: Pod, now: float, longest_pause: float) -> Pod:
    """The record with nothing in it later than it can be at `now`; often the record itself.

    A pause after failures ends within `longest_pause` seconds. Otherwise what waits for a time that
    is hours away would wait for hours.
    """
    tasks = tuple(_task(task, now, longest_pause) for task in pod.tasks)
    return pod if tasks == pod.tasks else replace(pod, tasks=tasks)


def _task(task: Task, now: float, longest_pause: float) -> Task:
    latest = now + TOLERANCE_SECONDS
    return replace(
        task,
        since=now if task.since > latest else task.since,
        launched=now if task.launched > latest else task.launched,
        not_before=(
            now + longest_pause if task.not_before > latest + longest_pause else task.not_before
        ),
    )
