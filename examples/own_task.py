"""A task of one's own: two NeuroGym tasks learned at once by one network, with MINE's penalty.

Q_cor > 0: the halves of the units have come to do different things; ``--mi-weight 0`` is the
control. NeuroGym pins older NumPy and Matplotlib: ``pip install neurogym`` into an environment of
its own, beside midiff_fast. ``midiff_fast.training.train(…, task=…)`` takes such a task too.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import torch
import typer
from torch import Tensor

import midiff_fast as mf
from midiff_fast.tasks import Signals, Task


class SideBySide(Task):
    """Independent NeuroGym tasks at once: observations are the inputs, actions the outputs."""

    def __init__(self, *names: str, step_ms: int = 100, decision_weight: float = 20.0) -> None:
        if importlib.util.find_spec("neurogym") is None:
            raise SystemExit("this example needs NeuroGym: pip install neurogym")
        neurogym = importlib.import_module("neurogym")
        self.jobs: list[Any] = [neurogym.make(name, dt=step_ms).unwrapped for name in names]
        self.decision_weight = decision_weight
        self.input_sets = _ranges([job.observation_space.shape[0] for job in self.jobs])
        self.target_sets = _ranges([int(job.action_space.n) for job in self.jobs])
        self.input_size = self.input_sets[-1][-1] + 1
        self.output_size = self.target_sets[-1][-1] + 1
        self.output_names = tuple(f"action {output}" for output in range(self.output_size))

    def draw(
        self, seeds: Tensor, step: int, batch: int, steps: int, *, purpose: int = 0
    ) -> Signals:
        """Trials that follow one another, keyed by seed, purpose and step: [E, batch, steps, …]."""
        input = torch.zeros(len(seeds), batch, steps, self.input_size)
        target = torch.zeros(len(seeds), batch, steps, self.output_size)
        jobs = zip(self.jobs, self.input_sets, self.target_sets, strict=True)
        for index, (job, lines, actions) in enumerate(jobs):
            for member, seed in enumerate(seeds.tolist()):
                key = np.random.SeedSequence([seed, purpose, step, index])
                job.seed(int(key.generate_state(1)[0]))
                for sequence in range(batch):
                    seen, right = _trials(job, steps)
                    input[member, sequence][:, lines] = torch.from_numpy(seen)
                    target[member, sequence][:, actions] = torch.eye(len(actions))[right]
        return Signals(input, target)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of actions; steps on which to wait (action 0) is wrong count more: [E]."""
        total = output.new_zeros(len(output))
        for actions in self.target_sets:
            weight = torch.where(target[..., actions[0]] > 0, 1.0, self.decision_weight)
            surprise = -(target[..., actions] * output[..., actions].log_softmax(-1)).sum(-1)
            total = total + (weight * surprise).sum((1, 2)) / weight.sum((1, 2))
        return total

    def accuracy(self, output: Tensor, target: Tensor) -> Tensor:
        """Share of decisions that are right, the same for all outputs of a task: [E, O]."""
        result = torch.zeros(len(output), self.output_size)
        for actions in self.target_sets:
            decision = target[..., actions[0]] == 0
            same = output[..., actions].argmax(-1) == target[..., actions].argmax(-1)
            result[:, actions] = ((same & decision).sum((1, 2)) / decision.sum((1, 2)))[:, None]
        return result


def _ranges(sizes: list[int]) -> tuple[tuple[int, ...], ...]:
    ends = np.cumsum(sizes).tolist()
    return tuple(tuple(range(end - size, end)) for size, end in zip(sizes, ends, strict=True))


def _trials(job: Any, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Observations [steps, I] and right actions [steps], from a random moment of a first trial."""
    job.new_trial()
    seen, right, start = [job.ob], [job.gt], job.rng.randint(len(job.gt))
    while sum(map(len, right)) < start + steps:
        job.new_trial()
        seen, right = [*seen, job.ob], [*right, job.gt]
    window = slice(start, start + steps)
    return np.concatenate(seen)[window].astype(np.float32), np.concatenate(right)[window]


def train(mi_weight: float = 0.1, passes: int = 200, units: int = 40, seed: int = 1) -> None:
    """Alternate steps of the critic, which tightens the bound on MI, and of the model."""
    task = SideBySide("PerceptualDecisionMaking-v0", "MultiSensoryIntegration-v0")
    torch.manual_seed(seed)
    rnn = mf.LeakyRNN(task.input_size, units, alpha=0.2, noise_std=0.05, batch_first=True)
    readout = mf.Readout(units, task.output_size)
    mine = mf.MINE(units // 2, units - units // 2, hidden_size=64)
    weights = [*rnn.parameters(), *readout.parameters()]
    model, critic = torch.optim.Adam(weights, 0.01), torch.optim.Adam(mine.parameters(), 0.005)
    for step in range(1, passes + 1):
        input, target = task.draw(torch.tensor([seed]), step, batch=16, steps=50)  # [1, B, T, …]
        states, _ = rnn(input[0])
        halves = torch.tanh(states).flatten(0, 1).tensor_split(2, dim=1)  # [B T, N/2] each
        for _ in range(5):
            critic.zero_grad()
            (-mine(*(half.detach() for half in halves))).backward()
            critic.step()
        output, mi = readout(states)[None], mine(*halves)
        model.zero_grad()
        (task.loss(output, target).sum() + mi_weight * mi).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        model.step()
        if step % 50 == 0 or step == passes:
            right = task.accuracy(output, target)[0]
            scores = [round(float(right[outputs[0]]), 2) for outputs in task.target_sets]
            graph = mf.analysis.correlation_adjacency(states.detach())
            q = mf.analysis.modularity(graph, mf.analysis.halves(units)).normalised
            print(f"pass {step}: accuracy {scores}; MI {mi:.2f} nats; Q_cor {q:.3f}", flush=True)


if __name__ == "__main__":
    typer.run(train)
