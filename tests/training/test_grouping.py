"""Critic passes run together: the same bits for any number of them, within a budget of memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from midiff_fast import _load
from midiff_fast.runs import RunConfig
from midiff_fast.runs.choose import choose_config
from midiff_fast.tasks import build_task
from midiff_fast.training import Trainer
from midiff_fast.training.grouping import SHARE_OF_MEMORY, bytes_of_a_pass, passes_at_once

from .test_studies import tiny
from .test_trainer import tensors

SETTINGS = {"training.critic_steps": 5, "training.critic_pretraining": 4, "critic.samples": 0}
STUDIES = ("working-memory", "separation", "sinusoids", "rossler")


def config_of(study: str) -> RunConfig:
    if study != "working-memory":
        return tiny(study, **SETTINGS)
    sizes = {
        "seeds": [11, 12],
        "mi_weight": [0.1, 0.0],
        "model.units": 7,
        "critic.hidden_size": 8,
        "critic.for_control": False,
        "training.batch": 3,
        "training.transient": 5,
        "training.steps": 20,
    }
    return choose_config("paper", settings={**sizes, **SETTINGS})


def after_two_epochs(config: RunConfig, group: int) -> tuple[str, dict[str, torch.Tensor]]:
    """Metrics, as text (nan is to equal nan), and state."""
    trainer = Trainer(config, passes_at_once=group)
    trainer.pretrain(1)
    trainer.pretrain(config.training.critic_pretraining - 1)
    passes: list[None] = []
    metrics = [trainer.run_epoch(lambda: passes.append(None)) for _ in range(2)]
    assert len(passes) == 2 * config.training.model_passes * 6
    return repr(metrics), dict(tensors(trainer.state_dict()))


# The eager backend batches its products over the sequences, and may round them otherwise alone.
@pytest.mark.skipif(not _load.available, reason="needs the compiled ops")
@pytest.mark.parametrize("study", STUDIES)
def test_no_bit_depends_on_how_many_passes_are_run_together(study: str) -> None:
    config = config_of(study)
    one, three, all_of_them = (after_two_epochs(config, group) for group in (1, 3, 5))
    for metrics, state in (three, all_of_them):
        assert metrics == one[0]
        for name, tensor in state.items():
            assert torch.equal(tensor, one[1][name]), name


@pytest.mark.parametrize("study", STUDIES)
def test_draws_side_by_side_are_the_single_ones(study: str) -> None:
    config = config_of(study)
    task = build_task(study, config.task.model_dump())
    seeds = torch.tensor([11, 12])
    together = task.draw_side_by_side(seeds, (4, 0, 9), 2, 30)
    for place, draw in enumerate((4, 0, 9)):
        for got, alone in zip(together, task.draw(seeds, draw, 2, 30), strict=True):
            assert torch.equal(got[:, 2 * place : 2 * place + 2], alone)


def test_groups_on_cuda_fit_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's separation study on a card of 80 GB: all passes of a run, a few of twenty."""
    card = SimpleNamespace(total_memory=80 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    device = torch.device("cuda", 0)
    single = choose_config("paper", study="separation", settings={"seeds": [625]})
    task = build_task("separation", single.task.model_dump())
    assert bytes_of_a_pass(single, task) == 4 * 50 * 10_000 * (100 + 3 * 9)
    assert passes_at_once(single, task, torch.device("cpu")) == 1
    assert passes_at_once(single, task, device) == 20
    paper = choose_config("paper", study="separation")
    group = passes_at_once(paper, task, device)
    assert group == 3
    assert group * bytes_of_a_pass(paper, task) <= SHARE_OF_MEMORY * card.total_memory
    # A pass that does not fit is tried all the same: the device says whether it does.
    card.total_memory = 10**9
    assert passes_at_once(paper, task, device) == 1
