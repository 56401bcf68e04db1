"""What a camera rig tells Prometheus.

| name | unit | what it says |
|---|---|---|
| s3k_cameras_sets_total | sets | by `outcome`: complete, partial (a view is missing), too_few (less than `min_views`), unpaired (frames of several triggers: dropped) |
| s3k_cameras_views_total | views | by `camera` and `outcome`: ok, timeout (no image in time), incomplete (packets lost), frozen (the same image, or a clock that stands), too_old (older than `max_age_s`), unpaired (its set was dropped), gone (unplugged, being opened anew), failed (its driver) |
| s3k_cameras_odd_total | views | by `camera`: it was the one whose frame did not fit the others' |
| s3k_cameras_opened_total | times | by `camera`: opened, the first time included |
| s3k_cameras_connected | 0 or 1 | by `camera`: it is there |
| s3k_cameras_set_seconds | seconds | histogram, from telling the cameras to the last image, of the sets that came out |
"""  # noqa: E501

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SET_OUTCOMES = ("complete", "partial", "too_few", "unpaired")
VIEW_OUTCOMES = ("ok", "timeout", "incomplete", "frozen", "too_old", "unpaired", "gone", "failed")
# A control period is 250 ms; four GigE cameras take 10 to 30 ms.
SET_BUCKETS_S = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)


class RigMetrics:
    """The metrics of one rig, in a collector registry of its own, so that one process may have several.

    Args:
        cameras: their names.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self._sets = Counter("s3k_cameras_sets", "Sets by outcome", ["outcome"], registry=self.registry)
        self._views = Counter("s3k_cameras_views", "Views by outcome", ["camera", "outcome"], registry=self.registry)
        self._odd = Counter("s3k_cameras_odd", "Frames that did not fit", ["camera"], registry=self.registry)
        self._opened = Counter("s3k_cameras_opened", "Times opened", ["camera"], registry=self.registry)
        self._connected = Gauge("s3k_cameras_connected", "Whether it is there", ["camera"], registry=self.registry)
        self._seconds = Histogram(
            "s3k_cameras_set_seconds", "From telling to the last image", buckets=SET_BUCKETS_S, registry=self.registry
        )
        # So that a rate over an outcome that never came is 0, not absent.
        for outcome in SET_OUTCOMES:
            self._sets.labels(outcome)
        for camera in cameras:
            self._odd.labels(camera)
            self._opened.labels(camera)
            self._connected.labels(camera)
            for outcome in VIEW_OUTCOMES:
                self._views.labels(camera, outcome)

    def set(self, outcome: str) -> None:
        """A set; ``outcome`` is one of SET_OUTCOMES."""
        self._sets.labels(outcome).inc()

    def took(self, seconds: float) -> None:
        """A set came out, that many seconds after the cameras were told."""
        self._seconds.observe(seconds)

    def view(self, camera: str, outcome: str) -> None:
        """A view of a set; ``outcome`` is one of VIEW_OUTCOMES."""
        self._views.labels(camera, outcome).inc()

    def odd(self, camera: str) -> None:
        """This camera's frame did not fit the others'."""
        self._odd.labels(camera).inc()

    def connected(self, camera: str, there: bool) -> None:
        """A camera was opened, or is away."""
        self._connected.labels(camera).set(there)
        if there:
            self._opened.labels(camera).inc()

    def value(self, name: str, **labels: str) -> float:
        """The present value of a sample, such as ``s3k_cameras_sets_total``; 0 if there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0
