"""Asks others, a few at a time, while the scheduler goes on."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

AT_ONCE = 4
"""How many are asked at a time."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Asker(ABC, Generic[Question, Answer]):
    """Each question is answered by one event, which is posted."""

    def __init__(self, post: Callable[[Answer], None], name: str) -> None:
        """`name` is that of the threads that ask."""
        self._post = post
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=name)
        self._stopped = threading.Event()

    @abstractmethod
    def answer(self, question: Question) -> Answer:
        """Ask, and wait for it. Never raises for what the network or the other side does."""

    def ask(self, question: Question) -> None:
        """Have it asked; returns at once. Does nothing after `stop`."""
        if not self._stopped.is_set():
            self._threads.submit(self._ask, question)

    def stop(self) -> None:
        """Ask no more; a question under way is given up."""
        self._stopped.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, question: Question) -> None:
        self._post(self.answer(question))
