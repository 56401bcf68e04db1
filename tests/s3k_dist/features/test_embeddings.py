"""Embeddings beside keypoints, as a cell meets them: served, swapped, refused, and unknown to an older peer."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from s3k_dist.errors import FrameError, ServiceError
from s3k_dist.features.client import EncoderInfo, FeatureClient
from s3k_dist.features.detector import EncoderSource
from s3k_dist.features.types import Embedding, FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.v1 import features_pb2
from s3k_dist.wire import features_from_proto, features_to_proto

HANG_GUARD_S = 30.0


@dataclass
class FakeEncoder:
    """Says its own version, and the mean brightness of the frame."""

    version: int
    kind: str = "vae"
    embedding_size: int = 2
    published_at_ns: int = 456

    def embed(self, frames: Sequence[MultiViewFrame]) -> list[Embedding]:
        for frame in frames:
            if frame.cell_id == "odd":
                raise FrameError("this frame has an odd number of views")
            if frame.cell_id == "crash":
                raise RuntimeError("out of memory")
        values = [(self.version, frame.views[0].image.mean()) for frame in frames]
        return [Embedding(self.kind, self.version, np.array(pair, np.float32)) for pair in values]


@dataclass
class FakeEncoders:
    """Versions that a test promotes; a version in ``broken`` fails to load."""

    promoted: int | None = 1
    broken: set[int] = field(default_factory=set)

    def source(self) -> EncoderSource:
        return EncoderSource(lambda: self.promoted, self._load)

    def _load(self, version: int) -> FakeEncoder:
        if version in self.broken:
            raise OSError(f"encoder {version} is torn")
        return FakeEncoder(version)


@pytest.fixture
def encoders() -> FakeEncoders:
    return FakeEncoders()


def eventually(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + HANG_GUARD_S
    while not condition():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.005)


def test_a_frame_comes_back_with_keypoints_and_embedding(serve: Any, encoders: FakeEncoders, make_frame: Any) -> None:
    with FeatureClient(serve(encoder=encoders.source()).address) as client:
        client.wait_ready(HANG_GUARD_S)
        features = client.extract(make_frame(value=9))
        info = client.model()

    assert features.positions_m[1].tolist() == [9.0, 9.0, 9.0]
    assert features.embedding is not None
    assert (features.embedding.kind, features.embedding.model_version) == ("vae", 1)
    assert features.embedding.values.tolist() == [1.0, 9.0]
    assert info.encoder == EncoderInfo("vae", 1, 2, 456)


def test_without_an_encoder_there_is_no_embedding(client: FeatureClient, make_frame: Any) -> None:
    assert client.extract(make_frame()).embedding is None
    assert client.model().encoder is None


def test_either_model_is_swapped_under_load_and_every_answer_names_its_makers(
    serve: Any, models: Any, encoders: FakeEncoders, make_frame: Any
) -> None:
    service = serve(encoder=encoders.source())
    stop, seen = threading.Event(), []

    def cell() -> None:
        with FeatureClient(service.address, deadline_s=HANG_GUARD_S, retries=0) as client:
            while not stop.is_set():
                seen.append(client.extract(make_frame(sequence=len(seen))))

    with FeatureClient(service.address) as client:
        client.wait_ready(HANG_GUARD_S)
    acting = threading.Thread(target=cell)
    acting.start()
    try:
        for model, encoder in ((1, 2), (2, 2), (2, 3), (3, 4)):
            models.promoted, encoders.promoted = model, encoder
            eventually(
                lambda model=model, encoder=encoder: (
                    (seen[-1].model_version, seen[-1].embedding.model_version) == (model, encoder) if seen else False
                )
            )
    finally:
        stop.set()
        acting.join(HANG_GUARD_S)

    # What an embedding says of its version is what made its values.
    assert all(features.embedding.values[0] == features.embedding.model_version for features in seen)
    assert [features.sequence for features in seen] == list(range(len(seen)))
    assert (service.server.model_version, service.server.encoder_version) == (3, 4)
    metrics = service.server.metrics
    assert metrics.value("s3k_features_encoder_version") == 4
    assert metrics.value("s3k_features_model_version") == 3


def test_it_is_not_ready_before_both_models_are(
    serve: Any, models: Any, encoders: FakeEncoders, make_frame: Any
) -> None:
    encoders.promoted = None
    service = serve(encoder=encoders.source())
    address = service.address
    with FeatureClient(address, deadline_s=HANG_GUARD_S) as client, grpc.insecure_channel(address) as channel:
        eventually(lambda: service.server.model_version == 1)
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=HANG_GUARD_S)
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(ServiceError, match="no encoder serves yet: no version is promoted"):
            client.extract(make_frame())
        encoders.promoted = 1
        client.wait_ready(HANG_GUARD_S)
        assert client.extract(make_frame()).embedding is not None


def test_an_encoder_that_cannot_be_loaded_is_named_and_the_old_one_serves(
    serve: Any, encoders: FakeEncoders, make_frame: Any
) -> None:
    encoders.broken = {1, 3}
    service = serve(encoder=encoders.source())
    with FeatureClient(service.address) as client:
        eventually(lambda: service.server.metrics.value("s3k_features_failed_swaps_total") == 1)
        with pytest.raises(ServiceError, match="no encoder serves yet: version 1 could not be loaded: encoder 1 is"):
            client.extract(make_frame())
        encoders.promoted = 2
        client.wait_ready(HANG_GUARD_S)
        encoders.promoted = 3
        eventually(lambda: service.server.metrics.value("s3k_features_failed_swaps_total") == 2)
        features = client.extract(make_frame())
    assert features.embedding is not None
    assert features.embedding.model_version == 2


def test_a_frame_that_the_encoder_cannot_take_fails_alone(serve: Any, encoders: FakeEncoders, make_frame: Any) -> None:
    class Deaf(FakeEncoder):
        def embed(self, frames: Sequence[MultiViewFrame]) -> list[Embedding]:
            return []

    with FeatureClient(serve(encoder=encoders.source()).address) as client:
        client.wait_ready(HANG_GUARD_S)
        with pytest.raises(FrameError, match="an odd number of views"):
            client.extract(make_frame(cell_id="odd"))
        assert client.extract(make_frame()).embedding is not None
    with FeatureClient(serve(encoder=EncoderSource(lambda: 1, Deaf)).address) as client:
        client.wait_ready(HANG_GUARD_S)
        with pytest.raises(ServiceError, match=r"encoder version 1 failed on this frame: .* with 0 embeddings"):
            client.extract(make_frame())


def features_with(embedding: Embedding | None) -> FrameFeatures:
    arrays = (np.ones((1, 3)), np.ones((1, 3, 3)), np.ones((2, 1, 2)), np.ones((2, 1)), np.ones((2, 1)))
    return FrameFeatures("sim0", 7, 8, 3, ("tip",), ("cam0", "cam1"), *arrays, embedding=embedding)


def test_an_embedding_comes_back_exactly() -> None:
    sent = Embedding("vae", 2**64 - 1, np.array([0.1, -3e38, 1e-40, np.nan], np.float32))
    back = features_from_proto(
        features_pb2.Features.FromString(features_to_proto(features_with(sent)).SerializeToString())
    ).embedding
    assert back is not None
    assert (back.kind, back.model_version, back.values.dtype) == (sent.kind, sent.model_version, np.float32)
    np.testing.assert_array_equal(back.values, sent.values)


def test_an_empty_embedding_is_refused() -> None:
    message = features_to_proto(features_with(Embedding("vae", 1, np.zeros(0, np.float32))))
    with pytest.raises(FrameError, match="features of frame sim0/00000007: the 'vae' embedding is empty"):
        features_from_proto(message)


def older_features() -> type[Message]:
    """`Features` as it was before there were embeddings, for a peer that was not updated."""
    file = descriptor_pb2.FileDescriptorProto()
    features_pb2.DESCRIPTOR.CopyToProto(file)
    (features,) = (message for message in file.message_type if message.name == "Features")
    kept = [one for one in features.field if one.name != "embedding"]
    del features.field[:]
    features.field.extend(kept)
    kept_messages = [one for one in file.message_type if one.name != "Embedding"]
    del file.message_type[:]
    file.message_type.extend(kept_messages)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("s3k_dist.v1.Features"))


def test_an_older_client_reads_the_keypoints_of_an_answer_with_an_embedding() -> None:
    sent = features_to_proto(features_with(Embedding("vae", 1, np.ones(10, np.float32))), service_time_ns=5)
    read: Any = older_features().FromString(sent.SerializeToString())
    assert (read.cell_id, read.sequence, read.model_version, read.service_time_ns) == ("sim0", 7, 3, 5)
    assert [(keypoint.name, list(keypoint.position_m)) for keypoint in read.keypoints] == [("tip", [1.0, 1.0, 1.0])]


def test_an_older_servers_answer_has_no_embedding() -> None:
    older = older_features().FromString(features_to_proto(features_with(None)).SerializeToString())
    back = features_from_proto(features_pb2.Features.FromString(older.SerializeToString()))
    assert back.embedding is None
    assert back.keypoint_names == ("tip",)
