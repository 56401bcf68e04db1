"""Episode chunks to RLlib's episodes and back."""

from typing import TYPE_CHECKING, Any

import numpy as np

from s3k_dist.episodes import EpisodeChunk

if TYPE_CHECKING:
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode


def chunk_from_episode(episode: "SingleAgentEpisode", cell_id: str = "env") -> EpisodeChunk:
    """Read what an RLlib env runner sampled, or a demonstration.

    The policy version comes from ``custom_data["policy_version"]``. The feature versions come from
    ``info["model_version"]`` of each step or the extra model output of that name. Which steps a person drove comes from
    the extra model output "intervened". The verdict comes from ``custom_data["success"]``, else from ``"success"`` or
    ``"is_success"`` in the last info.

    Args:
        episode: its actions must be the module's, in [-1, 1], as RLlib stores them.
        cell_id: where it was acted.
    """
    steps = len(episode)
    infos = episode.get_infos() if steps else []
    return EpisodeChunk(
        episode_id=str(episode.id_),
        cell_id=cell_id,
        observations=np.asarray(episode.get_observations(), dtype=np.float32),
        actions=np.asarray(episode.get_actions(), dtype=np.float32).reshape(steps, -1),
        rewards=np.asarray(episode.get_rewards(), dtype=np.float32).reshape(steps),
        terminated=bool(episode.is_terminated),
        truncated=bool(episode.is_truncated),
        start_step=int(episode.t_started),
        policy_version=int(episode.custom_data.get("policy_version", -1)),
        model_versions=_model_versions(episode, infos, steps),
        success=_success(episode, infos) if episode.is_done else None,
        intervened=_intervened(episode, steps),
    )


def episode_from_chunk(chunk: EpisodeChunk) -> "SingleAgentEpisode":
    """The same steps as an RLlib episode, for RLlib's own tools (offline writers, connectors)."""
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode

    custom = {"policy_version": chunk.policy_version, "cell_id": chunk.cell_id}
    if chunk.success is not None:
        custom["success"] = chunk.success
    episode = SingleAgentEpisode(
        id_=chunk.episode_id,
        observations=list(chunk.observations),
        actions=list(chunk.actions),
        rewards=chunk.rewards.tolist(),
        infos=[{}, *({"model_version": int(version)} for version in chunk.model_versions)],
        extra_model_outputs={
            "model_version": chunk.model_versions.tolist(),
            "intervened": chunk.intervened.tolist(),
        },
        terminated=chunk.terminated,
        truncated=chunk.truncated,
        t_started=chunk.start_step,
        len_lookback_buffer=0,
    )
    episode.custom_data.update(custom)
    return episode


def _model_versions(episode: "SingleAgentEpisode", infos: list[dict[str, Any]], steps: int) -> np.ndarray:
    if "model_version" in episode.extra_model_outputs:
        return np.asarray(episode.get_extra_model_outputs("model_version"), dtype=np.int64).reshape(steps)
    return np.array([info.get("model_version", 0) for info in infos[:steps]], dtype=np.int64)


def _intervened(episode: "SingleAgentEpisode", steps: int) -> np.ndarray:
    if "intervened" in episode.extra_model_outputs:
        return np.asarray(episode.get_extra_model_outputs("intervened"), dtype=bool).reshape(steps)
    return np.zeros(steps, dtype=bool)


def _success(episode: "SingleAgentEpisode", infos: list[dict[str, Any]]) -> bool | None:
    last = infos[-1] if infos else {}
    for source, key in ((episode.custom_data, "success"), (last, "success"), (last, "is_success")):
        if source.get(key) is not None:
            return bool(source[key])
    return None
