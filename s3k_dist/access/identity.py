"""Who a certificate is of: a part of the system and its name, as one URI in the certificate.

    s3k://cell/bench3       the cell bench3
    s3k://service/gpu1      a machine that serves features, or runs learners and simulated cells
    s3k://robot/bench3      the robot of the cell bench3
    s3k://operator/anna     a person, or a program of theirs, who may drive any robot
    s3k://monitor/metrics   whoever scrapes metrics

A server is known by what it is, not by where it is: on a cluster the same part turns up at another address each time.
So a certificate of a server holds names such as ``service.s3k`` and ``bench3.robot.s3k``, which a client asks for.
"""

import enum
import re
from dataclasses import dataclass
from typing import Self

from s3k_dist.errors import AccessError

SCHEME = "s3k://"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # as of a cell


class Part(enum.Enum):
    """What somebody is."""

    SERVICE = "service"
    CELL = "cell"
    ROBOT = "robot"
    OPERATOR = "operator"
    MONITOR = "monitor"

    @property
    def serves(self) -> bool:
        """Whether others call it."""
        return self in (Part.SERVICE, Part.ROBOT)


@dataclass(frozen=True)
class Identity:
    """Of one certificate.

    Attributes:
        part: what it is.
        name: which of them.
    """

    part: Part
    name: str

    def __post_init__(self) -> None:
        """Raises AccessError: a name that is none."""
        if not _NAME.fullmatch(self.name) or ".." in self.name:
            raise AccessError(
                f"the name of a {self.part.value} is letters, digits, '.', '_' and '-', at most 64, got {self.name!r}"
            )

    def __str__(self) -> str:
        """As people write it: cell/bench3."""
        return f"{self.part.value}/{self.name}"

    @property
    def uri(self) -> str:
        """As certificates hold it."""
        return f"{SCHEME}{self}"

    @classmethod
    def of(cls, text: str) -> Self:
        """From ``cell/bench3``.

        Raises:
            AccessError: it is none.
        """
        part, slash, name = text.partition("/")
        if not slash or part not in [each.value for each in Part]:
            raise AccessError(
                f"expected PART/NAME, such as cell/bench3, with one of {', '.join(each.value for each in Part)}, "
                f"got {text!r}"
            )
        return cls(Part(part), name)

    @property
    def server_names(self) -> tuple[str, ...]:
        """What clients ask for; none of a part that does not serve."""
        return (f"{self.part.value}.s3k", f"{self.name}.{self.part.value}.s3k") if self.part.serves else ()

    def expects(self, server: Part) -> str:
        """Which server this one wants to find: a cell its own robot, everybody else any."""
        own = self.part is Part.CELL and server is Part.ROBOT
        return f"{self.name}.{server.value}.s3k" if own else f"{server.value}.s3k"
