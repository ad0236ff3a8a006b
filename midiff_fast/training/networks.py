"""The networks of an ensemble of runs, with the initial values that each run's seed gives."""

from __future__ import annotations

import torch
from torch import Tensor

from ..nn import MINE, init
from ..nn.leaky import RECURRENT_STREAM
from ..nn.network import make_network
from ..ops.random import Purpose
from ..runs import ModelConfig, RunConfig
from ..tasks import Task
from .steps import Networks

# Streams of (CRITIC_WEIGHTS, step), one per matrix of the critic.
_CRITIC_STREAMS = {"weight_a": 0, "weight_b": 1, "weight_h": 2, "weight_out": 3}


def build_networks(config: RunConfig, task: Task, device: torch.device) -> Networks:
    """Model and critic of every member, initialised from the members' seeds.

    They are drawn on the CPU and then moved: the same bits on every device.
    """
    members = config.members()
    seeds = torch.tensor([member.seed for member in members], dtype=torch.int64)
    units = config.model.units
    backend = config.compute.backend
    model = make_network(
        config.model.cell,
        task.input_size,
        units,
        task.output_size,
        alpha=config.model.alpha,
        ensemble=len(members),
        backend=backend,
    )
    model.reset_parameters(seeds)
    if config.model.cell == "leaky":
        with torch.no_grad():
            model.weights()["weight_hh"].copy_(_recurrent_weights(config.model, seeds))

    chosen = [m.index for m in members if m.mi_weight != 0.0 or config.critic.for_control]
    everyone = len(chosen) == len(members)
    index = None if everyone else torch.tensor(chosen, dtype=torch.int64)
    critic = None
    if chosen:
        first = units // 2
        critic = MINE(
            first,
            units - first,
            config.critic.hidden_size,
            negative_slope=config.critic.negative_slope,
            output_bias=config.critic.output_bias,
            ensemble=len(chosen),
            backend=backend,
        )
        _reset_critic(critic, seeds[chosen])
    return Networks(
        model.to(device),
        None if critic is None else critic.to(device),
        None if index is None else index.to(device),
    )


def _recurrent_weights(config: ModelConfig, seeds: Tensor) -> Tensor:
    """Initial recurrent weights of a leaky RNN, of the kind asked for: [E, N, N]."""
    stream = (seeds, Purpose.WEIGHTS, RECURRENT_STREAM, config.units)
    if config.recurrent == "sparse":
        return init.sparse_gaussian(
            *stream, probability=config.connection_probability, gain=config.gain
        )
    if config.recurrent == "distance":
        return init.distance_gaussian(
            *stream, width=config.distance_width, spectral_radius=config.gain
        )
    return init.gaussian(*stream, gain=config.gain)


@torch.no_grad()
def _reset_critic(critic: MINE, seeds: Tensor) -> None:
    """Glorot uniform weights keyed by the seeds; biases are zero already."""
    for name, stream in _CRITIC_STREAMS.items():
        weight = getattr(critic, name)  # [M, H, …], or [M, H] for the scalar output
        rows, columns = weight.shape[1:] if weight.dim() == 3 else (1, weight.shape[1])
        values = init.glorot_uniform(seeds, Purpose.CRITIC_WEIGHTS, stream, rows, columns)
        weight.copy_(values.reshape(weight.shape))
