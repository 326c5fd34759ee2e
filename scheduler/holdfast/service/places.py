"""Where in svc.yml a part of the model is, so that a judgement of the model can name its line."""

from collections.abc import Callable, Iterator

from holdfast.service.document import ListNode, MapNode, Node

Path = tuple[str | int, ...]
"""Keys of svc.yml; a number is a place in a list, or the how-manieth volume, which has no name."""

Place = tuple[int, str]
"""A line, 0 when it is not known, and the path as an operator reads it."""

Locate = Callable[[Path], Place]


def nowhere(path: Path) -> Place:
    """The path alone, for a model whose file is not at hand."""
    return 0, dotted(path)


def dotted(path: Path) -> str:
    """`("pods", "a", "uris", 0)` as `pods.a.uris[0]`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def places_in(root: Node) -> Locate:
    """Finds places in a document; what is not written there is at the key it would be under."""

    def locate(path: Path) -> Place:
        line, node, shown = 0, root, list[str | int]()
        parts = iter(path)
        for part in parts:
            shown.append(part)
            match node:
                case MapNode(entries=entries, lines=lines) if part in ("volume", "volumes"):
                    number = next(parts, None)
                    key, inner, at = _volume(node, number)
                    shown[-1:] = key
                    line, node = at or line, inner or node
                    if inner is None:
                        shown += () if number is None else (number,)
                        break
                case MapNode(entries=entries, lines=lines) if part in entries:
                    line, node = lines[str(part)], entries[str(part)]
                case ListNode(items=items) if isinstance(part, int) and part < len(items):
                    line, node = items[part].line, items[part]
                case _:
                    break
        return line, dotted((*shown, *parts))

    return locate


def _volume(node: MapNode, number: str | int | None) -> tuple[list[str | int], Node | None, int]:
    """The volume of that number, `volume` before `volumes`: its keys, itself, its line."""
    for found, (keys, volume, line) in enumerate(_volumes(node)):
        if found == number:
            return keys, volume, line
    for key in ("volumes", "volume"):
        if key in node.entries:
            return [key], None, node.lines[key]
    return ["volumes"], None, 0


def _volumes(node: MapNode) -> Iterator[tuple[list[str | int], Node, int]]:
    if isinstance(volume := node.entries.get("volume"), MapNode):
        yield ["volume"], volume, node.lines["volume"]
    if isinstance(volumes := node.entries.get("volumes"), MapNode):
        for name, inner in volumes.entries.items():
            yield ["volumes", name], inner, volumes.lines[name]
