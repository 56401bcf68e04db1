"""What a control page posts, checked before anything moves."""

import json
from typing import Any

import numpy as np

from actors.operator import Decision
from deploy.page_server import MalformedError

MAX_PAGE_NAME = 64
MAX_COUNT = 2**53  # what JavaScript counts exactly


def read_command(body: bytes) -> tuple[str, int, np.ndarray | None]:
    """Of a page: its name, the number of the command, and shares of the twist limits, shape (6,), or None.

    Raises:
        MalformedError: it is none; says what was expected.
    """
    fields = _fields(body, {"page", "count", "twist"})
    count, twist = fields["count"], fields["twist"]
    if not _is_number(count) or count != int(count) or not 0 <= count <= MAX_COUNT:
        raise MalformedError(f"count must be an integer from 0, got {_short(count)}")
    page = read_page(fields["page"])
    if twist is None:
        return page, int(count), None
    if not isinstance(twist, list) or len(twist) != 6 or not all(map(_is_number, twist)):
        raise MalformedError(f"twist must be six finite numbers in [-1, 1], or null, got {_short(twist)}")
    share = np.array(twist, np.float64)
    if np.abs(share).max() > 1:
        raise MalformedError(f"twist must be six finite numbers in [-1, 1], or null, got {_short(twist)}")
    return page, int(count), share


def read_decision(body: bytes) -> tuple[Decision, int]:
    """A decision and the number of the episode it is about.

    Raises:
        MalformedError: it is none; says what was expected.
    """
    fields = _fields(body, {"decision", "episode"})
    known = [decision.value for decision in Decision]
    if fields["decision"] not in known:
        raise MalformedError(f"decision must be one of {', '.join(known)}, got {_short(fields['decision'])}")
    episode = fields["episode"]
    if not isinstance(episode, int) or isinstance(episode, bool):
        raise MalformedError(f"episode must be an integer, got {_short(episode)}")
    return Decision(fields["decision"]), episode


def read_page(name: object) -> str:
    """The name of a page.

    Raises:
        MalformedError: it is none.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_PAGE_NAME:
        raise MalformedError(f"page must be a text of 1 to {MAX_PAGE_NAME} characters, got {_short(name)}")
    return name


def _fields(body: bytes, names: set[str]) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the body is not JSON: {_short(str(error))}") from error
    if not isinstance(fields, dict) or set(fields) != names:
        came = ", ".join(sorted(map(str, fields))) if isinstance(fields, dict) else type(fields).__name__
        raise MalformedError(f"expected {', '.join(sorted(names))}, got {_short(came)}")
    return fields


def _is_number(value: object) -> bool:
    # Bounded first: JSON knows integers that no float holds.
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_COUNT <= value <= MAX_COUNT


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
