"""Orders that nobody answers in time: what their sender is told."""

import asyncio
from concurrent.futures import Future

import pytest

from holdfast.api.source import Unanswered, answered
from holdfast.engine import Answer


def test_an_order_that_takes_too_long_may_still_be_carried_out() -> None:
    with pytest.raises(Unanswered, match="has not answered within 0 s"):
        asyncio.run(answered(Future(), "pod restart etcd-0", 0))


def test_an_order_given_up_at_the_end_of_the_scheduler_may_have_been_stored() -> None:
    """ZooKeeper went away while it was written, and the server stops without an outcome."""

    async def stopped() -> None:
        request = asyncio.create_task(answered(Future(), "pod restart etcd-0", 10))
        await asyncio.sleep(0)
        request.cancel("timeout graceful shutdown exceeded")
        await request

    with pytest.raises(Unanswered, match="not known whether `pod restart etcd-0` was stored"):
        asyncio.run(stopped())


def test_an_order_nobody_took_up_changed_nothing() -> None:
    future: Future[Answer] = Future()
    future.cancel()
    with pytest.raises(Unanswered, match="Nothing was changed"):
        asyncio.run(answered(future, "pod restart etcd-0", 10))
