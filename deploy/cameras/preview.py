"""A rig shown live: a thread takes sets of frames, the page and a file get a picture of them."""

import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from actors.physical.camera import CameraError
from actors.physical.rig import CameraRig
from deploy.cameras.mosaic import Tile, mosaic
from deploy.cameras.sharpness import Focus, PeakHold
from deploy.page_server import MalformedError, PageHandler, PageServer, page_of
from s3k_dist.images import Encoding, encode_image

EVERY_S = 0.1
STOP_S = 5.0


class Preview:
    """What the cameras of a rig see, as tiles.

    Args:
        rig: open; closing it is up to whoever opened it.
        serials: of its cameras, by name.
        focus: measure sharpness and exposure as well.
    """

    def __init__(self, rig: CameraRig, serials: Mapping[str, str], *, focus: bool) -> None:
        self.focus = focus
        self._rig = rig
        self._serials = serials
        self._lock = threading.Lock()
        self._images: dict[str, np.ndarray] = {}
        self._missing: dict[str, str] = dict.fromkeys(rig.names, "no image yet")
        self._peaks = {name: PeakHold() for name in rig.names}
        self._sets = 0
        self._drawn: tuple[int, bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)

    def look(self) -> None:
        """Take one set of frames."""
        try:
            found = self._rig.take(0.0)
            images, missing = {name: frame.image for name, frame in found.frames.items()}, dict(found.missing)
        except CameraError as error:
            images, missing = {}, dict.fromkeys(self._rig.names, str(error)) | self._rig.away
        with self._lock:
            self._images |= images
            self._missing = missing
            self._sets += 1

    def tiles(self) -> list[Tile]:
        """What is known now, in the rig's order."""
        with self._lock:
            images, missing = dict(self._images), dict(self._missing)
        return [self._tile(name, images.get(name), missing.get(name, "")) for name in self._rig.names]

    def picture(self) -> bytes:
        """The tiles, JPEG; drawn once for each set, when somebody asks."""
        with self._lock:
            sets, drawn = self._sets, self._drawn
        if drawn is None or drawn[0] != sets:
            drawn = sets, encode_image(mosaic(self.tiles()), Encoding.JPEG)
            with self._lock:
                self._drawn = drawn
        return drawn[1]

    def state(self) -> dict[str, Any]:
        """What the page shows beside the picture, as plain JSON values."""
        with self._lock:
            missing, sets = dict(self._missing), self._sets
        counts = {
            outcome: int(self._rig.metrics.value("s3k_cameras_sets_total", outcome=outcome))
            for outcome in ("complete", "partial", "too_few", "unpaired")
        }
        return {
            "focus": self.focus,
            "cameras": len(self._rig.names),
            "missing": missing,
            "sets": sets,
            "counts": counts,
        }

    def reset(self) -> None:
        """Forget how sharp the images were: it is another scene."""
        for peak in self._peaks.values():
            peak.reset()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self.look()

    def _tile(self, name: str, image: np.ndarray | None, note: str) -> Tile:
        if image is None or not self.focus:
            return Tile(name, self._serials[name], image, note)
        focus = Focus.of(image)
        self._peaks[name].add(focus.sharpness)
        return Tile(name, self._serials[name], image, note, focus, self._peaks[name].best)


class CamerasServer(PageServer):
    """Serves the live picture.

        GET  /?token=T          the page
        GET  /state?token=T     counts, and what is missing, JSON
        GET  /picture?token=T   the mosaic, JPEG
        POST /reset?token=T     forget the best sharpness; an empty JSON object

    Args:
        preview: that it shows.
        address: to listen at.
        port: 0 takes a free one.
        credentials: folder of the certificate that it is served with; needed beyond this machine.

    Raises:
        ServiceError: the port is in use, or the address is not this machine's.
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(
        self, preview: Preview, address: str = "127.0.0.1", port: int = 0, credentials: Path | None = None
    ) -> None:
        super().__init__("cameras", _Handler, {"preview": preview}, address, port, credentials=credentials)


class _Handler(PageHandler):
    preview: Preview

    def do_GET(self) -> None:  # noqa: N802  # http.server's name
        if self.admitted() is None:
            return
        match urlsplit(self.path).path:
            case "/":
                self.answer(200, page().encode(), "text/html; charset=utf-8")
            case "/state":
                self.answer_json(200, self.preview.state())
            case "/picture":
                self.answer(200, self.preview.picture(), "image/jpeg")
            case other:
                self.refuse(404, f"no {other!r} here; there are /, /state, /picture and /reset")

    def do_POST(self) -> None:  # noqa: N802  # likewise
        if self.admitted() is None:
            return
        try:
            self.body()
        except MalformedError as error:
            self.refuse(400, str(error))
            return
        if urlsplit(self.path).path != "/reset":
            self.refuse(404, "nothing takes a POST here but /reset")
            return
        self.preview.reset()
        self.answer_json(200, {})


@cache
def page() -> str:
    """The page."""
    return page_of("cameras")
