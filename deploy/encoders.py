"""The encoder of a run whose agent observes an embedding: there before the agent acts, and fixed from then on.

A keypoint keeps its meaning from version to version, a latent does not: a policy keeps the encoder it began with.
"""

from deploy.session import Session
from deploy.train_vae import VaeTraining, fit
from deploy.unlabelled import read_unlabelled
from learners.vae.publication import frozen_encoder, publish_frozen
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.embeddings.encoder import ENCODER_KINDS, VAE_KIND
from s3k_dist.embeddings.network import EncoderConfig
from s3k_dist.errors import StorageError
from s3k_dist.weights import WeightsRegistry


def ready_encoder(session: Session) -> None:
    """Train or make the encoder that the run's agent observes through, unless it is there.

    Raises:
        StorageError: there are too few frames to make one from.
    """
    kind, config = session.config.task.observation, session.config
    registry = WeightsRegistry(session.folder.encoder(kind))
    if kind not in ENCODER_KINDS or registry.current() is not None:
        return
    reader = DatasetFolder(session.folder.root).open_stream()
    if kind == VAE_KIND:
        recipe = config.vae.model_copy(update={"latent_size": config.task.embedding_size})
        training = VaeTraining(session.folder.root, recipe, config.seed)
        _, metrics = fit(training, reader, registry.root, session.view, enter=session.view.event)
        for name, value in metrics.measured().items():
            session.log.add(f"vae/{name}", value, recipe.steps)
        return
    frames = read_unlabelled(reader, session.view)
    if frames is None or len(frames) < 2:
        raise StorageError(f"{reader.root} holds no two readable frames to scale a random encoder by")
    views, side = frames.images.shape[1:3]
    shape = EncoderConfig(views=views, image_size_px=side, latent_size=config.task.embedding_size)
    publish_frozen(registry, frozen_encoder(shape, frames.images, config.seed))
