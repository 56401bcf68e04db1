"""One gradient step after the other on a flat batch that the replay has drawn."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
from ray.rllib.core import ALL_MODULES, COMPONENT_OPTIMIZER, DEFAULT_MODULE_ID
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.metrics import (
    NUM_ENV_STEPS_TRAINED_LIFETIME,
    NUM_MODULE_STEPS_TRAINED_LIFETIME,
    TD_ERROR_KEY,
    WEIGHTS_SEQ_NO,
)
from torch import Tensor, nn

from learners.ddpg import loss
from learners.ddpg.module import DDPGModule

Batch = dict[str, Tensor]

GRADIENT_STEPS = "gradient_steps"
OF_N_STEPS = ("reward_n", "next_obs_n", "terminated_n", "discount_n")
TORCH_RANDOM_STATE = "torch_random_state"
CUDA_RANDOM_STATE = "cuda_random_state"


class DDPGLearner(TorchLearner):
    """Owns the optimisers, the losses and the averaging of the slow networks."""

    _weights_seq_no: int

    def build(self) -> None:
        """Build module and optimisers, then the slow networks."""
        # Adam's second moments decay into denormal numbers, on which CPUs are several times slower.
        torch.set_flush_denormal(True)
        self.gradient_steps = 0
        self.cloning_only = False
        self._terms: list[Batch] = []
        self._priorities: list[Tensor] = []
        super().build()
        self.module.foreach_module(lambda _, module: module.make_target_networks())
        pairs = self._ddpg.get_target_network_pairs()
        self._networks: list[Tensor] = [parameter for network, _ in pairs for parameter in network.parameters()]
        self._slow_networks: list[Tensor] = [parameter for _, slow in pairs for parameter in slow.parameters()]

    @property
    def _ddpg(self) -> DDPGModule:
        module: DDPGModule = self.module[DEFAULT_MODULE_ID].unwrapped()
        return module

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """One Adam for the actor, one for the critics; L2 on weights, not on biases."""
        module = self.module[module_id].unwrapped()
        for name, network, rate in (
            ("critic", module.critics, config.critic_lr),
            ("actor", module.actor, config.actor_lr),
        ):
            self.register_optimizer(
                module_id=module_id,
                optimizer_name=name,
                optimizer=torch.optim.Adam(_decayed_weights(network, config.l2), lr=rate, fused=True),
                params=list(network.parameters()),
                lr_or_lr_schedule=rate,
            )

    def update(
        self,
        batch: Any = None,
        *,
        training_data: Any = None,
        timesteps: dict[str, Any] | None = None,
        minibatch_size: int,
        cloning_only: bool = False,
        observation_moments: tuple[np.ndarray, np.ndarray] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Take one gradient step on each ``minibatch_size`` rows, in order.

        Replaces RLlib's loop, which pays for slicing, counters and logging at every step; here they are paid once.

        Args:
            batch: a MultiAgentBatch with the flat columns of ``DemonstrationReplay.sample``.
            training_data: the same, as RLlib's learner group wraps it.
            timesteps: for learning rate schedules.
            minibatch_size: rows of a gradient step.
            cloning_only: the actor clones demonstrations without Q-filter or policy gradient; the critic learns.
            observation_moments: mean and deviation to normalise with in all these steps, and in the weights after them.
            kwargs: what RLlib's learner group may add.

        Returns:
            Metrics; the new priorities are the series "td_error" of the module, in the order of the rows.
        """
        self._check_is_built()
        self.before_gradient_based_update(timesteps=timesteps or {})
        self._weights_seq_no += 1
        self.cloning_only = cloning_only
        if observation_moments is not None:
            self._ddpg.set_observation_moments(*observation_moments)
        source = training_data.batch if training_data is not None else batch
        columns = {
            # Copied: what comes from another process is read-only memory, which torch cannot wrap.
            name: torch.tensor(column, device=self.device)
            for name, column in source.policy_batches[DEFAULT_MODULE_ID].items()
            # Nor is it looked at n steps ahead for a loss that does not count.
            if self.config.lambda_n > 0.0 or name not in OF_N_STEPS
        }
        rows = len(columns["obs"])
        for start in range(0, rows, minibatch_size):
            minibatch = {name: column[start : start + minibatch_size] for name, column in columns.items()}
            self._update({DEFAULT_MODULE_ID: minibatch})
        self._log_update(rows)
        self.after_gradient_based_update(timesteps=timesteps or {})
        return self.metrics.reduce()

    def _uncompiled_update(self, batch: dict[str, Batch], **kwargs: Any) -> tuple[Any, Any, Any]:
        # Between the actor's own steps nothing but its part of the priorities is asked of it.
        forward = self.module.forward_train(batch, with_actor=self._moves_actor or self.config.lambda_actor > 0.0)
        losses = self.compute_losses(fwd_out=forward, batch=batch)
        gradients = self.compute_gradients(losses)
        self.apply_gradients(self.postprocess_gradients(gradients))
        return forward, losses, {}

    @property
    def _moves_actor(self) -> bool:
        """Whether the actor is learning in this step, too."""
        return bool(self.gradient_steps % self.config.actor_delay == 0)

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: Batch, fwd_out: dict[str, Tensor]
    ) -> Tensor:
        """Critic loss plus, every ``actor_delay`` steps, actor loss: the two share no parameters."""
        target = loss.bellman_target(batch["reward"], config.gamma, batch["terminated"], fwd_out["next_value"])
        target_n = None
        if "next_value_n" in fwd_out:
            target_n = loss.bellman_target(
                batch["reward_n"], batch["discount_n"], batch["terminated_n"], fwd_out["next_value_n"]
            )
        critic = loss.critic_loss(fwd_out["values"], target, target_n, batch["weights"], config.lambda_n)
        td_error = (fwd_out["values"][0] - target).detach()
        self._priorities.append(
            loss.priorities(
                td_error,
                fwd_out.get("action_gradient"),
                batch["is_demo"],
                config.lambda_actor,
                config.priority_epsilon,
                config.demonstration_bonus,
            )
        )
        terms = {
            "critic_loss": critic.detach(),
            "q_mean": fwd_out["values"].detach().mean(),
            "td_error_abs_mean": td_error.abs().mean(),
            "demonstration_share": batch["is_demo"].float().mean(),
        }
        self._terms.append(terms)
        if not self._moves_actor:
            return critic
        return critic + self._actor_loss(config, batch, fwd_out, terms)

    def _actor_loss(self, config: Any, batch: Batch, fwd_out: dict[str, Tensor], terms: Batch) -> Tensor:
        """Cloning plus policy gradient; adds what is logged of them to ``terms``."""
        is_demo = batch["is_demo"]
        demonstrations = is_demo.sum()
        cloned = is_demo
        if config.bc_q_filter and not self.cloning_only:
            cloned = is_demo & loss.q_filter(fwd_out["values"][0].detach(), fwd_out["policy_value"])
        cloning = loss.cloning_loss(fwd_out["action"], batch["actions"], cloned, demonstrations)
        actor = config.bc_coefficient * cloning
        if not self.cloning_only:
            actor = actor + loss.policy_gradient_loss(fwd_out["action"], fwd_out["action_gradient"])
        terms["actor_loss"] = -fwd_out["policy_value"].mean()
        terms["bc_loss"] = cloning.detach()
        terms["bc_share"] = cloned.sum() / demonstrations.clamp(min=1)
        return actor

    def compute_gradients(self, loss_per_module: dict[str, Tensor], **kwargs: Any) -> dict[Hashable, Tensor]:
        """Gradients by parameter; those the loss does not reach are left out."""
        # What the optimisers' own zero_grad does, without their bookkeeping.
        for parameter in self._networks:
            parameter.grad = None
        torch.autograd.backward(list(loss_per_module.values()))
        return {ref: parameter.grad for ref, parameter in self._params.items() if parameter.grad is not None}

    def postprocess_gradients(self, gradients_dict: dict[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        """Clip each optimiser's gradient to the norm ``grad_clip``; drop one that is not finite."""
        kept: dict[Hashable, Tensor] = {}
        for optimizer, refs in self._optimizer_parameters.items():
            gradients = {ref: gradients_dict[ref] for ref in refs if ref in gradients_dict}
            if not gradients:
                continue
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients.values()))))
            if not torch.isfinite(norm):
                self.metrics.log_value((DEFAULT_MODULE_ID, "skipped_gradients_lifetime"), 1, reduce="lifetime_sum")
                optimizer.zero_grad(set_to_none=True)
                continue
            if self.config.grad_clip is not None:
                torch._foreach_mul_(list(gradients.values()), (self.config.grad_clip / norm).clamp(max=1.0))
            kept.update(gradients)
        return kept

    def apply_gradients(self, gradients_dict: dict[Hashable, Tensor]) -> None:
        """Step the optimisers that have gradients, then move the slow networks: theta' += tau (theta - theta')."""
        for optimizer, refs in self._optimizer_parameters.items():
            if any(ref in gradients_dict for ref in refs):
                optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self._slow_networks, self._networks, self.config.tau)
        self.gradient_steps += 1

    def _log_update(self, rows: int) -> None:
        """Log the mean of each term over the gradient steps of this update that have it, and the priorities."""
        names = dict.fromkeys(name for terms in self._terms for name in terms)
        means = [torch.stack([terms[name] for terms in self._terms if name in terms]).mean() for name in names]
        logged = dict(zip(names, torch.stack(means).tolist(), strict=True))
        self.metrics.log_dict(logged, key=DEFAULT_MODULE_ID, window=1)
        self.metrics.log_value(
            (DEFAULT_MODULE_ID, TD_ERROR_KEY), torch.cat(self._priorities).cpu().numpy(), reduce="item_series"
        )
        self.metrics.log_value((DEFAULT_MODULE_ID, GRADIENT_STEPS), self.gradient_steps, window=1)
        for key in (
            (ALL_MODULES, NUM_ENV_STEPS_TRAINED_LIFETIME),
            (DEFAULT_MODULE_ID, NUM_MODULE_STEPS_TRAINED_LIFETIME),
        ):
            self.metrics.log_value(key, rows, reduce="lifetime_sum")
        self._terms.clear()
        self._priorities.clear()

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """RLlib's state, and with the optimisers also the step count and torch's random state."""
        state: dict[str, Any] = super().get_state(components, not_components=not_components, **kwargs)
        if self._check_component(COMPONENT_OPTIMIZER, components, not_components):
            state[GRADIENT_STEPS] = self.gradient_steps
            state[TORCH_RANDOM_STATE] = torch.get_rng_state().numpy()
            if torch.device(self.device).type == "cuda":
                state[CUDA_RANDOM_STATE] = torch.cuda.get_rng_state(self.device).numpy()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state, be it older or newer than one's own."""
        # RLlib ignores weights whose sequence number is not higher, so a roll-back would silently do nothing: neither
        # here, nor in evaluation runners, which hold the newer weights still.
        newest = max(self._weights_seq_no, state.get(WEIGHTS_SEQ_NO, 0))
        self._weights_seq_no = min(self._weights_seq_no, state.get(WEIGHTS_SEQ_NO, 0) - 1)
        super().set_state(state)
        self._weights_seq_no = newest + 1
        if GRADIENT_STEPS in state:
            self.gradient_steps = state[GRADIENT_STEPS]
            torch.set_rng_state(torch.from_numpy(state[TORCH_RANDOM_STATE].copy()))
        if CUDA_RANDOM_STATE in state and torch.device(self.device).type == "cuda":
            torch.cuda.set_rng_state(torch.from_numpy(state[CUDA_RANDOM_STATE].copy()), self.device)


def _decayed_weights(network: nn.Module, l2: float) -> list[dict[str, Any]]:
    """Parameter groups: matrices with L2, vectors (biases, LayerNorm) without. Adam's weight_decay is an L2 loss."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": l2}, {"params": vectors, "weight_decay": 0.0}]
