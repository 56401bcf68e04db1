"""The losses against their definitions."""

import pytest
import torch

from learners.ddpg import loss
from learners.ddpg.networks import Actor, ActorShape, Critic

ROWS = 16


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_a_terminal_target_is_the_reward_alone() -> None:
    reward, terminated = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0])
    target = loss.bellman_target(reward, torch.tensor([0.81, 0.81]), terminated, torch.tensor([10.0, 10.0]))
    torch.testing.assert_close(target, torch.tensor([9.1, 1.0]))


def test_importance_weights_multiply_the_squared_errors() -> None:
    values, target, target_n = torch.randn(2, ROWS), torch.randn(ROWS), torch.randn(ROWS)
    weights = torch.rand(ROWS)
    by_row = torch.zeros(())
    for critic in range(2):
        for row in range(ROWS):
            one_step = (values[critic, row] - target[row]) ** 2
            n_step = (values[critic, row] - target_n[row]) ** 2
            by_row = by_row + weights[row] * (one_step + 0.5 * n_step) / ROWS
    torch.testing.assert_close(loss.critic_loss(values, target, target_n, weights, lambda_n=0.5), by_row)


def test_without_a_long_return_the_loss_is_that_of_one_step() -> None:
    values, target, target_n, weights = torch.randn(2, ROWS), torch.randn(ROWS), torch.randn(ROWS), torch.rand(ROWS)
    torch.testing.assert_close(
        loss.critic_loss(values, target, None, weights, lambda_n=0.5),
        loss.critic_loss(values, target, target_n, weights, lambda_n=0.0),
    )


def test_the_policy_gradient_is_that_of_the_mean_value() -> None:
    shape = ActorShape(5, 3, (16,))
    actor, critic = Actor(shape), Critic(shape)
    observation = torch.randn(ROWS, 5)
    expected = torch.autograd.grad(-critic(observation, actor(observation)).mean(), list(actor.parameters()))

    action = actor(observation)
    leaf = action.detach().requires_grad_()
    (action_gradient,) = torch.autograd.grad(critic(observation, leaf).sum(), leaf)
    loss.policy_gradient_loss(action, action_gradient).backward()
    for parameter, gradient in zip(actor.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert all(parameter.grad is None for parameter in critic.parameters())


def test_only_rows_to_clone_are_cloned_and_the_term_fades_as_the_filter_closes() -> None:
    action = torch.zeros(4, 2, requires_grad=True)
    demonstrated = torch.ones(4, 2)
    demonstrations = torch.tensor(4)
    half = torch.tensor([True, True, False, False])
    loss.cloning_loss(action, demonstrated, half, demonstrations).backward()
    assert action.grad is not None
    assert action.grad[:2].abs().min() > 0
    assert action.grad[2:].abs().max() == 0
    everything = loss.cloning_loss(action, demonstrated, torch.ones(4, dtype=torch.bool), demonstrations)
    torch.testing.assert_close(loss.cloning_loss(action, demonstrated, half, demonstrations), everything / 2)


def test_cloning_without_demonstrations_is_zero() -> None:
    nothing = torch.zeros(4, dtype=torch.bool)
    assert loss.cloning_loss(torch.ones(4, 2), torch.zeros(4, 2), nothing, nothing.sum()) == 0.0


def test_the_filter_opens_only_where_the_demonstration_is_better() -> None:
    passed = loss.q_filter(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 1.0]))
    assert passed.tolist() == [True, False, False]


def test_priorities_add_error_gradient_and_bonus() -> None:
    priority = loss.priorities(
        torch.tensor([2.0, 0.0]),
        torch.tensor([[1.0, 2.0], [0.0, 0.0]]),
        torch.tensor([False, True]),
        lambda_actor=0.1,
        epsilon=0.01,
        epsilon_demonstration=0.3,
    )
    torch.testing.assert_close(priority, torch.tensor([4.0 + 0.5 + 0.01, 0.31]))


def test_priorities_that_do_not_count_the_gradient_do_not_need_it() -> None:
    error, gradient, demonstration = torch.randn(ROWS), torch.randn(ROWS, 3), torch.rand(ROWS) > 0.5
    settings = {"lambda_actor": 0.0, "epsilon": 0.01, "epsilon_demonstration": 0.3}
    torch.testing.assert_close(
        loss.priorities(error, None, demonstration, **settings),
        loss.priorities(error, gradient, demonstration, **settings),
    )
