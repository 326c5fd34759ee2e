"""Asks others, a few at a time, while the scheduler goes on."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import structlog

AT_ONCE = 4
"""How many are asked at a time."""

log = structlog.get_logger("holdfast.asking")

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Asker(ABC, Generic[Question, Answer]):
    """Each question is answered by one event, which is posted; `stopped` is set by `stop`."""

    def __init__(self, post: Callable[[Answer], None], name: str) -> None:
        """`name` is that of the threads that ask."""
        self._post = post
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=name)
        self.stopped = threading.Event()

    @abstractmethod
    def answer(self, question: Question) -> Answer:
        """Ask, and wait for it. Never raises for what the network or the other side does."""

    @abstractmethod
    def failed(self, question: Question, reason: str) -> Answer:
        """What stands for an answer when asking went wrong in a way nobody thought of."""

    def ask(self, question: Question) -> None:
        """Have it asked; returns at once. Does nothing after `stop`."""
        if not self.stopped.is_set():
            self._threads.submit(self._ask, question)

    def stop(self) -> None:
        """Ask no more; a question under way is given up."""
        self.stopped.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, question: Question) -> None:
        try:
            answer = self.answer(question)
        except Exception as error:  # nobody would ever see it in the thread's future
            log.exception("asking went wrong")
            answer = self.failed(question, f"asking went wrong, see the log: {error!r}")
        self._post(answer)
