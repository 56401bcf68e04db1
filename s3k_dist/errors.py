"""Every error this project raises on purpose. Each message says what was expected, what came, and what is available.

S3KError
├── ConfigError          a preset, key or value that the configuration tree does not know
├── FrameError           a frame that cannot be used: too few views, no pose, wrong image size, damaged image
├── GeometryError        cameras or pixels from which no 3-D point follows
│   ├── TooFewViewsError fewer than two views see a keypoint
│   └── CalibrationError images, poses or a file from which no calibration follows
├── StorageError         a file, shard or version that is missing, damaged or cannot be written
│   ├── StoreAwayError   the stream's store does not answer, or not in time
│   ├── ShardGoneError   a shard or frame that was in the stream is not there any more
│   ├── SpoolFullError   the store is away, and the spool has used up its bytes (s3k_dist.stream.spool)
│   ├── LabelConflictError another has changed a frame's label since it was read (s3k_dist.labels.editing)
│   └── RefusedFilesError  files of an exchange folder that cannot be imported (s3k_dist.datasets.exchange_import)
├── ServiceError         the feature service could not answer
│   ├── ServiceUnavailableError  nothing answers at the address, within the retries and the deadline
│   ├── DeadlineError    an answer did not come in time
│   ├── NoModelError     no model serves yet (s3k_dist.features.batcher)
│   └── QueueFullError   more frames wait than the queue takes (s3k_dist.features.batcher)
├── CellError            a robot cell cannot observe or act
│   └── CameraError      a camera cannot be used, of several kinds (actors.physical.camera)
├── RobotError           a robot's driver does not answer, or cannot do what it is asked
├── SafetyError          limits that cannot be kept, or a robot that is outside of them
├── BehaviourError       a scripted behaviour did not get where it should
├── ProcessDiedError     a process of a run is gone (deploy.topology)
├── ProcessHangsError    a process of a run does not answer in time (deploy.topology)
├── ReplayAwayError      the policy learner does not answer the keypoint learner (deploy.refresh)
├── AccessError          credentials that are missing, damaged, out of date, or not enough for what is asked
│   └── TooOftenError    a peer has called more often than it may (s3k_dist.access.guard)
├── EpisodeChunkError    steps of an episode that say something impossible (s3k_dist.episodes)
├── MalformedError       a message to a page's server that says nothing it could act on (deploy.page_server)
├── ControlRefusedError  a person's command or decision that cannot be taken now (deploy.control)
└── PreflightError       this machine lacks something the run needs; says what to do about it
"""


class S3KError(Exception):
    """Base of every error raised on purpose; its text is one line fit to show a person."""


class ConfigError(S3KError):
    """A preset, key or value that the configuration tree does not know."""


class FrameError(S3KError):
    """A frame that cannot be used."""


class GeometryError(S3KError):
    """Cameras or pixels from which no 3-D point follows."""


class TooFewViewsError(GeometryError):
    """Fewer than two views see a keypoint."""


class CalibrationError(GeometryError):
    """Images, poses or a file from which no calibration follows."""


class StorageError(S3KError):
    """A file, shard or version that is missing, damaged or cannot be written."""


class StoreAwayError(StorageError):
    """The stream's store does not answer, or not in time; a later try may succeed."""


class ShardGoneError(StorageError):
    """A shard or frame that was in the stream is not there any more."""


class ServiceError(S3KError):
    """The feature service could not answer."""


class ServiceUnavailableError(ServiceError):
    """Nothing answers at the address."""


class DeadlineError(ServiceError):
    """An answer did not come in time."""


class CellError(S3KError):
    """A robot cell cannot observe or act."""


class RobotError(S3KError):
    """A robot's driver does not answer, or cannot do what it is asked."""


class BehaviourError(S3KError):
    """A scripted behaviour did not get where it should."""


class SafetyError(S3KError):
    """Limits that cannot be kept, or a robot that is outside of them."""


class AccessError(S3KError):
    """Credentials that are missing, damaged, out of date, or not enough for what is asked."""


class PreflightError(S3KError):
    """This machine lacks something that the run needs."""
