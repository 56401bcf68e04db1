"""What all drivers share: one call under way, and a part that is tried again when it fails."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from deploy.fleet.part import Part, State
from deploy.topology import CALL_S, Calls, ProcessDiedError, ProcessHangsError
from s3k_dist.errors import S3KError, StorageError

PULSE_EVERY_S, PULSE_S = 2.0, 10.0  # a process that is stopped or stuck answers nothing; a busy one does


class PartDriver(ABC):
    """Keeps one part at work. Nothing here waits: every call has a deadline, and its answer is taken when it comes.

    Args:
        part: how it is doing.
        calls: where its answers come in.
        say: tells a person.
    """

    def __init__(self, part: Part, calls: Calls, say: Callable[[str], None]) -> None:
        self.part = part
        self.part.since_s = time.time()
        self._calls = calls
        self._say = say
        self._busy = False
        self._ending = False
        self._pulse_s = 0.0

    def wind_up(self) -> None:
        """Ask for nothing new from now on; what is under way ends by itself."""
        self._ending = True

    @abstractmethod
    def end_process(self) -> None:
        """End its process, however it is."""

    def _feel_pulse(self, process: Any) -> None:
        """Ask a process at work whether it is alive, beside whatever it is doing; end one that is not."""
        now_s = time.monotonic()
        name = f"{self.part.name}, pulse"
        if (
            self.part.state is not State.RUNNING
            or now_s - self._pulse_s < PULSE_EVERY_S
            or self._calls.waiting_for(name)
        ):
            return
        self._pulse_s = now_s
        since_s = self.part.since_s

        def felt(result: Any) -> None:
            same = self.part.since_s == since_s and self.part.state is State.RUNNING
            if not same:
                return
            if isinstance(result, tuple):
                self.part.node, self.part.pid = result
            elif isinstance(result, ProcessHangsError):
                self._say(f"{self.part.name} hangs: no sign of life for {PULSE_S:.0f} s")
                self.end_process()  # what it was asked for fails by that

        self._calls.ask(name, process.pulse.remote(), PULSE_S, felt)

    def _ask(
        self,
        reference: Any,
        deadline_s: float,
        then: Callable[[Any], None],
        failed: Callable[[S3KError], None] | None = None,
    ) -> None:
        """Let ``then`` take the answer; what fails is tried again after a pause, unless ``failed`` knows better."""
        self._busy = True

        def answered(result: Any) -> None:
            self._busy = False
            if isinstance(result, S3KError):
                (failed or self._failed)(result)
            else:
                then(result)

        self._calls.ask(self.part.name, reference, deadline_s, answered)

    def _ask_to_save(self, process: Any, then: Callable[[], None]) -> None:
        """Let a learner save. A full disk costs it nothing that it has in memory: it goes on, and saves later."""

        def failed(error: S3KError) -> None:
            if not isinstance(error, StorageError):
                self._failed(error)
                return
            self.part.last_error = " ".join(str(error).split())
            self._say(f"{self.part.name} is not saved: {error}")
            then()

        self._ask(process.save.remote(), CALL_S, lambda _: then(), failed)

    def _failed(self, error: S3KError) -> None:
        if isinstance(error, (ProcessDiedError, ProcessHangsError)):
            # Dead or hung: another process. One that said what is wrong goes on.
            self.end_process()
        self.part.failed(error, time.time())
        self._say(f"{self.part.name}: {error}")
