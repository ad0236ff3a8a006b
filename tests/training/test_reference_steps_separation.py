"""Five alternating steps of the GRU study against the authors' own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from midiff_fast.nn import MINE
from midiff_fast.nn.network import GRUNetwork
from midiff_fast.tasks import Separation, Signals
from midiff_fast.training.optimizers import Adam
from midiff_fast.training.steps import (
    GivenNoise,
    Networks,
    Samples,
    Sequences,
    critic_step,
    model_step,
    run_model,
)

DATA = Path(__file__).parents[1] / "data" / "training_steps_separation.npz"
CRITIC = {
    "weight_a": "k_x",
    "bias_a": "b_x",
    "weight_b": "k_y",
    "bias_b": "b_y",
    "weight_h": "k_h",
    "bias_h": "b_h",
    "weight_out": "k_out",
}
Data = dict[str, npt.NDArray[np.float32]]


def gates(keras: npt.NDArray[np.float32]) -> Tensor:
    """Columns of the gates z, r, h as rows of r, z, n."""
    z, r, n = np.split(keras, 3, axis=-1)
    return torch.from_numpy(np.ascontiguousarray(np.concatenate([r, z, n], axis=-1).T))


def model_weights(data: Data, index: int) -> dict[str, Tensor]:
    bias = data[f"w{index}_bias"]
    return {
        "weight_ih": gates(data[f"w{index}_kernel"]),
        "weight_hh": gates(data[f"w{index}_recurrent_kernel"]),
        "bias_ih": gates(bias[0]),
        "bias_hh": gates(bias[1]),
        "weight_out": torch.from_numpy(data[f"w{index}_out_kernel"].T.copy()),
        "bias_out": torch.from_numpy(data[f"w{index}_out_bias"]),
    }


def critic_weights(data: Data, index: int) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(data[f"m{index}_{key}"].T.copy()).squeeze(0)
        if name == "weight_out"
        else torch.from_numpy(data[f"m{index}_{key}"].T.copy())
        for name, key in CRITIC.items()
    }


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_five_steps_equal_the_reference(backend: str) -> None:
    data: Data = dict(np.load(DATA))
    units = data["w0_recurrent_kernel"].shape[0]
    hidden = data["m0_b_x"].size
    slope = float(data["negative_slope"])
    networks = Networks(
        GRUNetwork(3, units, 6, ensemble=1, backend=backend),  # type: ignore[arg-type]
        MINE(
            units // 2,
            units - units // 2,
            hidden,
            negative_slope=slope,
            output_bias=False,
            ensemble=1,
            backend=backend,  # type: ignore[arg-type]
        ),
    )
    groups = (
        (networks.model_parameters(), model_weights),
        (networks.critic_parameters(), critic_weights),
    )
    with torch.no_grad():
        for parameters, stored in groups:
            for name, value in stored(data, 0).items():
                parameters[name].copy_(value[None])
    critic_optimizer = Adam(
        list(networks.critic_parameters().values()),
        float(data["lr_mine"]),
        clip_value=float(data["clip_value"]),
    )
    model_optimizer = Adam(list(networks.model_parameters().values()), float(data["lr_model"]))
    kernels, output = float(data["lambda_l2"]), float(data["lambda_l2_output"])
    task = Separation(washout=int(data["washout"]))

    for step, kind in enumerate(data["sequence"]):

        def draw(name: str, step: int = step) -> Tensor:
            return torch.from_numpy(data[f"s{step}_{name}"])[None]

        input = draw("inputs")
        sequences = Sequences(
            Signals(input, draw("target")), torch.zeros(1, input.shape[1], units), None
        )
        samples = Samples(
            GivenNoise(draw("noise_group1").flatten(1, 2), draw("noise_group2").flatten(1, 2)),
            draw("perm").long(),
            noise_on_shuffled=True,
        )
        if kind == "mine":
            with torch.no_grad():
                states = run_model(networks.model, sequences, 0)
            mi = critic_step(networks, critic_optimizer, states, samples)
        else:
            losses = model_step(
                networks,
                model_optimizer,
                task,
                sequences,
                samples,
                0,
                torch.tensor([float(data["lambda_mi"])]),
                (kernels, kernels, output),
            )
            mi = losses.mi
            assert float(losses.task) == pytest.approx(float(data[f"s{step}_task_loss"]), rel=1e-5)
            assert float(losses.total) == pytest.approx(
                float(data[f"s{step}_total_loss"]), rel=1e-5
            )
        # MI is a small difference of sums of order one: its error is absolute.
        assert float(mi) == pytest.approx(float(data[f"s{step}_mi"]), rel=1e-5, abs=1e-6)
        for parameters, stored in groups:
            for name, value in stored(data, step + 1).items():
                # The gradient of bias_h is rounding noise, which Adam blows up.
                limit = 5e-3 if name == "bias_h" else 2e-5
                error = (parameters[name][0] - value).abs().max().item()
                assert error < limit, f"step {step}: {name} differs by {error:.1e}"
