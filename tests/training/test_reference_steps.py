"""Four alternating steps against the authors' own numbers, printed by their code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from midiff_fast.nn import MINE
from midiff_fast.nn.network import LeakyNetwork
from midiff_fast.tasks import Signals, WorkingMemory
from midiff_fast.training.optimizers import RMSprop
from midiff_fast.training.steps import (
    GivenNoise,
    Networks,
    Samples,
    Sequences,
    critic_step,
    model_step,
    run_model,
)

DATA = Path(__file__).parents[1] / "data" / "training_steps.npz"
MODEL = {
    "weight_ih": "W_in",
    "weight_hh": "W_rec",
    "bias": "bias",
    "weight_out": "W_out",
    "bias_out": "b_out",
}
CRITIC = {
    "weight_a": "k_x",
    "bias_a": "b_x",
    "weight_b": "k_y",
    "bias_b": "b_y",
    "weight_h": "k_h",
    "bias_h": "b_h",
    "weight_out": "k_out",
    "bias_out": "b_out",
}


def stored(data: dict[str, npt.NDArray[np.float32]], key: str, shape: torch.Size) -> Tensor:
    """A stored weight, which multiplies row vectors, as [out, in]."""
    return torch.from_numpy(np.ascontiguousarray(data[key].T)).reshape(shape)


@pytest.mark.parametrize("copies", [1, 3])
def test_four_steps_equal_the_reference(copies: int) -> None:
    data = dict(np.load(DATA))
    inputs, units = data["w0_W_in"].shape
    outputs, hidden = data["w0_b_out"].size, data["m0_b_x"].size
    half = units // 2
    networks = Networks(
        LeakyNetwork(inputs, units, outputs, alpha=float(data["alpha"]), ensemble=copies),
        MINE(half, units - half, hidden, ensemble=copies),
    )

    def weights(index: int) -> list[tuple[str, Tensor, Tensor]]:
        groups = (
            ("w", MODEL, networks.model_parameters()),
            ("m", CRITIC, networks.critic_parameters()),
        )
        return [
            (
                f"{letter}{index}_{name}",
                own[key],
                stored(data, f"{letter}{index}_{name}", own[key][0].shape),
            )
            for letter, names, own in groups
            for key, name in names.items()
        ]

    with torch.no_grad():
        for _, own, given in weights(0):
            own.copy_(given)

    clip = float(data["clipnorm"])
    critic_optimizer = RMSprop(
        list(networks.critic_parameters().values()), float(data["lr_mine"]), clip_norm=clip
    )
    model_optimizer = RMSprop(
        list(networks.model_parameters().values()), float(data["lr_model"]), clip_norm=clip
    )

    def draw(step: int, name: str) -> Tensor:
        values = torch.from_numpy(data[f"s{step}_{name}"])
        return values.expand(copies, *values.shape)

    compared = 0
    for step, kind in enumerate(data["sequence"]):
        sequences = Sequences(
            Signals(draw(step, "inputs"), draw(step, "target")),
            draw(step, "x0"),
            draw(step, "noise"),
        )
        samples = Samples(
            GivenNoise(draw(step, "noise_group1"), draw(step, "noise_group2")), draw(step, "perm")
        )
        if kind == "mine":
            with torch.no_grad():
                states = run_model(networks.model, sequences, 0)
            mi = critic_step(networks, critic_optimizer, states, samples)
        else:
            losses = model_step(
                networks,
                model_optimizer,
                WorkingMemory(),
                sequences,
                samples,
                0,
                torch.full((copies,), float(data["lambda_mi"])),
                float(data["c_reg"]),
            )
            mi = losses.mi
            for name, value in (
                ("task", losses.task),
                ("reg", losses.decay),
                ("total", losses.total),
            ):
                expected = torch.full((copies,), float(data[f"s{step}_{name}_loss"]))
                torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)
        # MI is a small difference of sums of order one: its error is absolute.
        expected = torch.full((copies,), float(data[f"s{step}_mi"]))
        torch.testing.assert_close(mi, expected, rtol=1e-5, atol=1e-6)
        for name, own, given in weights(step + 1):
            error = (own - given).abs().max().item()
            assert error < 2e-5, f"{name} differs by {error:.1e}"
            compared += 1
    assert compared == 4 * (len(CRITIC) + len(MODEL))
