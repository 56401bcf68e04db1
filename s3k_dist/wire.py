"""Frames and features to and from their protobuf messages. A RAW or PNG frame comes back exactly as it was sent.

What a peer sends is checked here, once: whatever is malformed raises FrameError in one line that names the frame, the
camera, what was expected and what came.
"""

from collections.abc import Sized

import numpy as np

from s3k_dist.episodes import MAX_ID_LENGTH
from s3k_dist.errors import FrameError, GeometryError
from s3k_dist.features.types import Embedding, FrameFeatures
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import NO_DISTORTION, Camera
from s3k_dist.images import MOST_PIXELS, Encoding, decode_image, encode_image
from s3k_dist.v1 import features_pb2, frame_pb2

# A few compressed bytes may claim a giant image: nothing is decoded before what is claimed has been added up.
MOST_VIEWS, MOST_FRAME_PIXELS = 64, 2 * MOST_PIXELS
_ENCODINGS = {
    Encoding.RAW: frame_pb2.Image.ENCODING_RAW_RGB8,
    Encoding.JPEG: frame_pb2.Image.ENCODING_JPEG,
    Encoding.PNG: frame_pb2.Image.ENCODING_PNG,
}
_FROM_WIRE = {value: encoding for encoding, value in _ENCODINGS.items()}


def frame_to_proto(frame: MultiViewFrame, encoding: Encoding) -> frame_pb2.Frame:
    """The message of ``frame``, its images held as ``encoding``.

    Raises:
        FrameError: a number or an intrinsics matrix that the wire cannot carry.
    """
    try:
        return frame_pb2.Frame(
            cell_id=frame.cell_id,
            sequence=frame.sequence,
            captured_at_ns=frame.captured_at_ns,
            views=[_view_to_proto(view, encoding) for view in frame.views],
        )
    except ValueError as error:
        raise FrameError(f"frame {frame.frame_id} does not fit the wire: {error}") from error


def frame_from_proto(message: frame_pb2.Frame) -> MultiViewFrame:
    """The frame of a message; RAW images are read-only views of its bytes.

    Raises:
        FrameError: no views, a repeated camera, a camera without a pose, arrays of the wrong length, an unspecified
            encoding, a damaged image or one of another size than its camera says.
    """
    if len(message.cell_id) > MAX_ID_LENGTH:
        raise FrameError(f"frame {message.sequence}: cell_id has {len(message.cell_id)} characters, expected 1 to 256")
    where = f"frame {message.cell_id}/{message.sequence:08d}"
    if not message.cell_id:
        raise FrameError(f"{where} has no cell_id")
    pixels = sum(view.camera.width_px * view.camera.height_px for view in message.views)
    if len(message.views) > MOST_VIEWS or pixels > MOST_FRAME_PIXELS:
        raise FrameError(
            f"{where} has {len(message.views)} views of {pixels} pixels, at most {MOST_VIEWS} views of "
            f"{MOST_FRAME_PIXELS} pixels together are taken"
        )
    views = tuple(_view_from_proto(view, where) for view in message.views)
    return MultiViewFrame(message.cell_id, message.sequence, message.captured_at_ns, views)


def features_to_proto(features: FrameFeatures, service_time_ns: int = 0) -> features_pb2.Features:
    """The message of ``features``; ``service_time_ns`` is what the service spent on the frame."""
    try:
        return features_pb2.Features(
            cell_id=features.cell_id,
            sequence=features.sequence,
            captured_at_ns=features.captured_at_ns,
            model_version=features.model_version,
            keypoints=[_keypoint_to_proto(features, k) for k in range(len(features.keypoint_names))],
            service_time_ns=service_time_ns,
            embedding=_embedding_to_proto(features.embedding),
        )
    except (ValueError, IndexError) as error:
        where = f"features of frame {features.cell_id}/{features.sequence:08d}"
        raise FrameError(f"{where} do not fit the wire: {error}") from error


def features_from_proto(message: features_pb2.Features) -> FrameFeatures:
    """The features of a message.

    Raises:
        FrameError: arrays of the wrong length, keypoints that differ in their cameras, or an empty embedding.
    """
    where = f"features of frame {message.cell_id}/{message.sequence:08d}"
    keypoints = message.keypoints
    cameras = tuple(detection.camera for detection in keypoints[0].detections) if keypoints else ()
    for keypoint in keypoints:
        named = f"{where}: keypoint {keypoint.name!r}"
        _require_length(keypoint.position_m, 3, f"{named}: position_m")
        _require_length(keypoint.covariance_m2, 9, f"{named}: covariance_m2")
        seen_by = tuple(detection.camera for detection in keypoint.detections)
        if seen_by != cameras:
            raise FrameError(f"{named}: expected detections of cameras {cameras}, got {seen_by}")
    detections = np.array(
        [[(d.u_px, d.v_px, d.confidence, d.residual_px) for d in keypoint.detections] for keypoint in keypoints]
    )
    by_view = detections.reshape(len(keypoints), len(cameras), 4).swapaxes(0, 1)
    return FrameFeatures(
        cell_id=message.cell_id,
        sequence=message.sequence,
        captured_at_ns=message.captured_at_ns,
        model_version=message.model_version,
        keypoint_names=tuple(keypoint.name for keypoint in keypoints),
        camera_names=cameras,
        positions_m=np.array([keypoint.position_m for keypoint in keypoints]).reshape(-1, 3),
        covariance_m2=np.array([keypoint.covariance_m2 for keypoint in keypoints]).reshape(-1, 3, 3),
        pixels=by_view[..., :2],
        confidence=by_view[..., 2],
        residual_px=by_view[..., 3],
        embedding=_embedding_from_proto(message.embedding, where) if message.HasField("embedding") else None,
    )


def _view_to_proto(view: View, encoding: Encoding) -> frame_pb2.View:
    return frame_pb2.View(
        camera=_camera_to_proto(view.camera),
        image=frame_pb2.Image(encoding=_ENCODINGS[encoding], data=encode_image(view.image, encoding)),
        captured_at_ns=view.captured_at_ns,
    )


def _view_from_proto(message: frame_pb2.View, where: str) -> View:
    if not message.HasField("camera"):
        raise FrameError(f"{where}: a view has no camera")
    camera = _camera_from_proto(message.camera, where)
    where = f"{where}: camera {camera.name!r}"
    encoding = _FROM_WIRE.get(message.image.encoding)
    if encoding is None:
        known = ", ".join(frame_pb2.Image.Encoding.Name(value) for value in _FROM_WIRE)
        raise FrameError(f"{where}: image encoding is {message.image.encoding}, expected {known}")
    try:
        image = decode_image(message.image.data, encoding, camera.width_px, camera.height_px)
    except FrameError as error:
        raise FrameError(f"{where}: {error}") from error
    return View(camera, image, message.captured_at_ns)


def _camera_to_proto(camera: Camera) -> frame_pb2.Camera:
    (fx, skew, cx), (shear, fy, cy), last_row = camera.intrinsics.tolist()
    if skew or shear or last_row != [0.0, 0.0, 1.0]:
        raise FrameError(f"camera {camera.name!r}: the wire carries fx, fy, cx, cy only, got K {camera.intrinsics}")
    return frame_pb2.Camera(
        name=camera.name,
        width_px=camera.width_px,
        height_px=camera.height_px,
        fx_px=fx,
        fy_px=fy,
        cx_px=cx,
        cy_px=cy,
        distortion=camera.distortion.tolist(),
        cam_from_world=frame_pb2.Pose(
            rotation=camera.rotation.ravel().tolist(), translation_m=camera.translation_m.tolist()
        ),
        calibration=camera.calibration,
    )


def _camera_from_proto(message: frame_pb2.Camera, frame: str) -> Camera:
    if max(len(message.name), len(message.calibration)) > MAX_ID_LENGTH:
        raise FrameError(f"{frame}: a camera has a name or a calibration of more than 256 characters")
    where = f"{frame}: camera {message.name!r}"
    if not message.name:
        raise FrameError(f"{where} has no name")
    if not message.HasField("cam_from_world"):
        raise FrameError(f"{where} has no pose; a 3-D keypoint needs calibrated cameras")
    _require_length(message.cam_from_world.rotation, 9, f"{where}: rotation")
    _require_length(message.cam_from_world.translation_m, 3, f"{where}: translation_m")
    if message.distortion:
        _require_length(message.distortion, 5, f"{where}: distortion")
    try:
        return Camera(
            name=message.name,
            width_px=message.width_px,
            height_px=message.height_px,
            intrinsics=np.array(
                [[message.fx_px, 0.0, message.cx_px], [0.0, message.fy_px, message.cy_px], [0.0, 0.0, 1.0]]
            ),
            distortion=np.array(message.distortion) if message.distortion else NO_DISTORTION,
            rotation=np.array(message.cam_from_world.rotation).reshape(3, 3),
            translation_m=np.array(message.cam_from_world.translation_m),
            calibration=message.calibration,
        )
    except GeometryError as error:
        raise FrameError(f"{frame}: {error}") from error


def _keypoint_to_proto(features: FrameFeatures, k: int) -> features_pb2.Keypoint:
    return features_pb2.Keypoint(
        name=features.keypoint_names[k],
        position_m=features.positions_m[k].tolist(),
        covariance_m2=features.covariance_m2[k].ravel().tolist(),
        detections=[
            features_pb2.Detection(
                camera=camera,
                u_px=float(features.pixels[v, k, 0]),
                v_px=float(features.pixels[v, k, 1]),
                confidence=float(features.confidence[v, k]),
                residual_px=float(features.residual_px[v, k]),
            )
            for v, camera in enumerate(features.camera_names)
        ],
    )


def _embedding_to_proto(embedding: Embedding | None) -> features_pb2.Embedding | None:
    if embedding is None:
        return None
    return features_pb2.Embedding(
        kind=embedding.kind, model_version=embedding.model_version, values=embedding.values.tolist()
    )


def _embedding_from_proto(message: features_pb2.Embedding, where: str) -> Embedding:
    if not message.values:
        raise FrameError(f"{where}: the {message.kind!r} embedding is empty")
    return Embedding(message.kind, message.model_version, np.array(message.values, np.float32))


def _require_length(values: Sized, expected: int, what: str) -> None:
    if len(values) != expected:
        raise FrameError(f"{what} has {len(values)} values, expected {expected}")
