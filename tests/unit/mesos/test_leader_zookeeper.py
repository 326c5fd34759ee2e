"""Following the leading master in ZooKeeper."""

import threading

from holdfast.mesos.leader_zookeeper import ZooKeeperDetector
from holdfast.zk_client import parse_zk_address


def test_it_may_be_closed_while_it_begins() -> None:
    """As by a scheduler that loses its session right after its start."""
    detector = ZooKeeperDetector(parse_zk_address("127.0.0.1:1/mesos"))
    raised: list[Exception] = []

    def close() -> None:
        try:
            detector.close()
        except RuntimeError as error:
            raised.append(error)

    class Hesitant(threading.Thread):
        def start(self) -> None:
            closer.start()
            closer.join(0.2)
            super().start()

    closer = threading.Thread(target=close)
    detector._thread = Hesitant(target=detector._follow, daemon=True)
    assert detector.detect(None, 5.0) is None
    closer.join(30)
    assert not closer.is_alive()
    assert raised == []
