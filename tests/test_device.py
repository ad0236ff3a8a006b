"""The choice of the device, with and without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from midiff_fast import _load
from midiff_fast._device import automatic_device, choose_device
from midiff_fast.runs import ConfigError, RunConfig
from midiff_fast.training import Trainer, train


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    monkeypatch.setattr(_load, "cuda_available", True)
    monkeypatch.setattr(_load, "cuda_reason", "the CUDA ops are loaded (9.0)")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("two_gpus")
def test_auto_takes_cuda_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("auto") == torch.device("cuda:1")
    assert automatic_device().reason == "a card, and the CUDA ops are loaded (9.0)"
    assert choose_device("cuda") == torch.device("cuda:1")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device(torch.device("cuda:0")) == torch.device("cuda:0")
    with pytest.raises(ConfigError) as error:
        choose_device("cuda:2")
    message = "device cuda:2 is not possible: torch finds 2 CUDA devices, numbered from 0"
    assert str(error.value) == message
    # Without compiled ops the CPU is the quicker device; whoever asks for CUDA gets it.
    monkeypatch.setattr(_load, "cuda_available", False)
    monkeypatch.setattr(_load, "cuda_reason", "the CUDA ops are not built")
    assert automatic_device() == (torch.device("cpu"), "the CUDA ops are not built")
    assert choose_device("cuda") == torch.device("cuda:1")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_without_a_gpu(name: str, tmp_path: Path) -> None:
    choice = automatic_device()
    assert choice.device == choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    for attempt in (
        lambda: choose_device(name),
        lambda: Trainer(RunConfig(), device=name),
        lambda: train(RunConfig(), tmp_path / "never-made", device=name),
    ):
        with pytest.raises(ConfigError) as error:
            attempt()
        assert str(error.value) == f"device {name} is not possible: {choice.reason}"
    assert not (tmp_path / "never-made").exists()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "", "meta"])
def test_other_names(name: str) -> None:
    with pytest.raises(ConfigError, match=r"device: expected auto, cpu, cuda or such as cuda:1"):
        choose_device(name)
