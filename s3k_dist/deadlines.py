"""Calls that may hang, waited for no longer than they are worth."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

Result = TypeVar("Result")

MOST_CALLS = 32  # under way at a time, the hung ones among them: a store that hangs must not use up the threads


class BoundedCalls:
    """Runs each call in a thread of its own, and gives up on it after ``deadline_s`` seconds.

    A call that was given up on may still take effect later. Its thread never holds up the end of the process.

    Args:
        deadline_s: patience with one call.
    """

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._free = threading.Semaphore(MOST_CALLS)

    def call(self, function: Callable[..., Result], *arguments: object, **options: object) -> Result:
        """The result of ``function``; raises what it raises, or TimeoutError."""
        if not self._free.acquire(timeout=self.deadline_s):
            raise TimeoutError(f"{MOST_CALLS} earlier calls hang")
        future: Future[Result] = Future()

        def work() -> None:
            try:
                future.set_result(function(*arguments, **options))
            except BaseException as error:  # noqa: BLE001  # it is raised where the result is waited for
                future.set_exception(error)
            finally:
                self._free.release()

        threading.Thread(target=work, name="bounded-call", daemon=True).start()
        try:
            return future.result(self.deadline_s)
        except FutureTimeoutError:
            if future.done():
                raise  # the call's own
            raise TimeoutError(f"no answer within {self.deadline_s:g} s") from None
