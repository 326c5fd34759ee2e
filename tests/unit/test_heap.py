"""What is there when a scheduler has started is not looked through again."""

import gc

from holdfast import heap


class Node:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_the_collector_passes_over_what_was_there_before() -> None:
    heap.fill()
    before = Node()
    assert not gc.isenabled()
    assert any(each is before for each in gc.get_objects())
    try:
        heap.keep()
        assert gc.isenabled()
        after = Node()
        seen = gc.get_objects()
        assert not any(each is before for each in seen)
        assert any(each is after for each in seen)
    finally:
        gc.enable()
        gc.unfreeze()
