"""The names of pod instances: the pod's type, a dash, and the index, as in `hello-0`."""


def type_of(name: str) -> str:
    """The pod type of an instance."""
    return name.rpartition("-")[0]


def type_and_index(name: str) -> tuple[str, int]:
    """The pod type and the index of an instance."""
    type_, _, index = name.rpartition("-")
    return type_, int(index)
