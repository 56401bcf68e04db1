"""The losses of DDPG from demonstrations, as pure functions of tensors; B rows, C critics.

Sources: DPG is Silver et al. 2014; DDPGfD is Vecerik et al. 2017 (arXiv 1707.08817); twin critics are TD3, Fujimoto et
al. 2018; the cloning term with Q-filter is Nair et al. 2018 (arXiv 1709.10089).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def bellman_target(
    reward: Float[Tensor, "B"],
    discount: Float[Tensor, "B"] | float,
    terminated: Float[Tensor, "B"],
    next_value: Float[Tensor, "B"],
) -> Float[Tensor, "B"]:
    """R + gamma^m (1 - terminated) Q'(s', pi'(s')): reward is the discounted sum over the m steps of the window."""
    return reward + discount * (1.0 - terminated) * next_value


def critic_loss(
    values: Float[Tensor, "C B"],
    target: Float[Tensor, "B"],
    target_n: Float[Tensor, "B"] | None,
    weights: Float[Tensor, "B"],
    lambda_n: float,
) -> Float[Tensor, ""]:
    """L_1 + lambda_n L_n (DDPGfD), summed over critics; importance weights multiply the squared errors.

    Without ``target_n`` it is L_1 alone.
    """
    squared = (values - target).square()
    if target_n is not None:
        squared = squared + lambda_n * (values - target_n).square()
    return (weights * squared).mean(dim=-1).sum()


def policy_gradient_loss(action: Float[Tensor, "B act"], action_gradient: Float[Tensor, "B act"]) -> Float[Tensor, ""]:
    """A scalar whose gradient is the deterministic policy gradient (Silver et al. 2014, Eq. 9), negated.

    E[grad_theta pi(s) grad_a Q(s, a)] at a = pi(s): the action gradient is a constant here, so nothing flows into the
    critic. Its value is not the actor's objective; that is the mean of Q(s, pi(s)).
    """
    return -(action_gradient.detach() * action).sum(dim=-1).mean()


def cloning_loss(
    action: Float[Tensor, "B act"],
    demonstrated: Float[Tensor, "B act"],
    cloned: Bool[Tensor, "B"],
    demonstrations: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Squared distance to the demonstrated action on the rows to clone, averaged over all demonstration rows.

    Dividing by the demonstration rows, not by the cloned ones, lets the term fade as the Q-filter closes.

    Args:
        action: pi(s).
        demonstrated: the stored action.
        cloned: rows that are demonstrations and pass the filter.
        demonstrations: how many rows are demonstrations.
    """
    squared = (action - demonstrated).square().sum(dim=-1)
    return (squared * cloned).sum() / demonstrations.clamp(min=1.0)


def q_filter(demonstrated_value: Float[Tensor, "B"], policy_value: Float[Tensor, "B"]) -> Bool[Tensor, "B"]:
    """Where the critic holds the demonstrated action for better than the policy's (Nair et al. 2018)."""
    return demonstrated_value > policy_value


def priorities(
    td_error: Float[Tensor, "B"],
    action_gradient: Float[Tensor, "B act"] | None,
    demonstration: Bool[Tensor, "B"],
    lambda_actor: float,
    epsilon: float,
    epsilon_demonstration: float,
) -> Float[Tensor, "B"]:
    """p = delta^2 + lambda_3 |grad_a Q|^2 + eps + eps_D (DDPGfD), before the exponent.

    The action gradient may be missing where lambda_3 is 0.
    """
    priority = td_error.square()
    if lambda_actor > 0.0:
        assert action_gradient is not None
        priority = priority + lambda_actor * action_gradient.square().sum(dim=-1)
    return (priority + epsilon + epsilon_demonstration * demonstration.to(td_error)).to(torch.float32)
