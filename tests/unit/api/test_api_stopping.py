"""An order that is under way when the scheduler has to end."""

import asyncio
from concurrent.futures import Future

import pytest

from holdfast.api.source import Unanswered, answered
from holdfast.engine import Answer


def test_an_order_whose_outcome_is_not_known_is_not_called_a_fault_of_the_program() -> None:
    async def ended() -> None:
        future: Future[Answer] = Future()
        request = asyncio.create_task(answered(future, "restart node-0", 60.0))
        await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(Unanswered, match="not known whether `restart node-0` was stored"):
            await request
        assert not future.cancelled()

    asyncio.run(ended())
