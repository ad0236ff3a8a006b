"""How many passes of the critic run the model together.

The model is frozen from one of its own passes to the next, so the sequences of the critic's passes
in between can be one batch. A GPU steps a thousand sequences in hardly more time than fifty.
"""

from __future__ import annotations

import torch

from ..runs import RunConfig
from ..tasks import Task

# Of the device's memory, for the states and signals of one group; a pass of the critic or of the
# model takes its own beside them.
SHARE_OF_MEMORY = 0.25


def passes_at_once(config: RunConfig, task: Task, device: torch.device) -> int:
    """Critic passes whose sequences are run as one batch; no result depends on it.

    One on the CPU: its cores are busy with the sequences of a single pass, and more would only take
    memory. On CUDA those that see the same model, or as many of them as ``SHARE_OF_MEMORY`` holds.
    """
    if device.type != "cuda":
        return 1
    budget = SHARE_OF_MEMORY * torch.cuda.get_device_properties(device).total_memory
    return max(1, min(config.training.critic_steps, int(budget / bytes_of_a_pass(config, task))))


def bytes_of_a_pass(config: RunConfig, task: Task) -> int:
    """What every pass adds to the memory that a group needs while the model runs: float32."""
    training, model = config.training, config.model
    sequences = len(config.members()) * training.batch
    steps = training.transient + training.steps
    states = training.steps * model.units
    # As they are drawn, beside those of the other passes, and cut where the transient ends.
    signals = 3 * steps * (task.input_size + task.output_size)
    noise = 3 * steps * model.units if model.noise_std > 0.0 else 0
    return 4 * sequences * (states + signals + noise)
