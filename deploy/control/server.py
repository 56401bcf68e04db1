"""Serves the control page. A robot obeys what is posted here: ``deploy/page_server.py`` says to whom it listens.

GET  /?token=T                     the page
GET  /state?token=T&page=P         what it shows, JSON
GET  /picture?token=T              all views side by side, JPEG
POST /command?token=T              {"page": P, "count": 17, "twist": [six shares in [-1, 1]] or null}
POST /decision?token=T             {"decision": "keep" | "discard" | "reset" | "finish", "episode": 3}
"""

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from deploy.control.desk import ControlDesk, ControlRefusedError
from deploy.control.messages import read_command, read_decision, read_page
from deploy.page_server import MalformedError, PageHandler, PageServer, page_of


class ControlServer(PageServer):
    """Runs in threads beside the cell::

    desk = ControlDesk(records=True)
    with ControlServer(desk) as server:
        print(server.url)
        ...                             # desk.twist_share(), desk.show(...)

    Args:
        desk: what it talks to.
        address: to listen at.
        port: 0 takes a free one.
        token: who has it may drive; a new one if None.
        credentials: folder of the certificate that it is served with; needed beyond this machine.

    Raises:
        ServiceError: the port is in use, or the address is not this machine's.
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(
        self,
        desk: ControlDesk,
        address: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        credentials: Path | None = None,
    ) -> None:
        super().__init__("control", _Handler, {"desk": desk}, address, port, token, credentials)


class _Handler(PageHandler):
    desk: ControlDesk

    def do_GET(self) -> None:  # noqa: N802  # http.server's name
        if (query := self.admitted()) is None:
            return
        match urlsplit(self.path).path:
            case "/":
                self.answer(200, page().encode(), "text/html; charset=utf-8")
            case "/state":
                try:
                    self.answer_json(200, self.desk.state(read_page(query.get("page", ""))))
                except MalformedError as error:
                    self.refuse(400, str(error))
            case "/picture":
                picture = self.desk.picture()
                if picture is None:
                    self.refuse(404, "there is no picture yet")
                else:
                    self.answer(200, picture, "image/jpeg")
            case other:
                self.refuse(404, f"no {other!r} here; there are /, /state, /picture, /command and /decision")

    def do_POST(self) -> None:  # noqa: N802  # likewise
        if self.admitted() is None:
            return
        try:
            match urlsplit(self.path).path:
                case "/command":
                    page, count, share = read_command(self.body())
                    self.desk.command(page, count, share)
                    self.answer_json(200, self.desk.state(page))
                case "/decision":
                    self.desk.decide(*read_decision(self.body()))
                    self.answer_json(200, {})
                case other:
                    self.refuse(404, f"nothing takes a POST at {other!r}; /command and /decision do")
        except MalformedError as error:
            self.refuse(400, str(error))
        except ControlRefusedError as error:
            self.refuse(409, str(error))


@cache
def page() -> str:
    """The control page."""
    return page_of("control")
