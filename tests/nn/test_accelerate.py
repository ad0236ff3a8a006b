"""accelerate: what it changes, what it leaves alone, and that nothing else of a model moves."""

from __future__ import annotations

import copy
import io
import pickle
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import midiff_fast as mf
from midiff_fast import _load
from midiff_fast.nn.accelerate import AcceleratedGRU, AcceleratedRNN

KINDS = [nn.GRU, nn.RNN]
needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)


def normal(*size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(len(size)), dtype=dtype)


class Tagger(nn.Module):
    """A model as people write them: two recurrent layers, and a head on the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.GRU(3, 6, batch_first=True)
        self.decoder = nn.RNN(6, 5, bias=False)
        self.head = nn.Linear(5, 2)

    def forward(self, input: Tensor) -> Tensor:
        self.encoder.flatten_parameters()
        encoded, last = self.encoder(input)  # [B, T, 6], [1, B, 6]
        decoded, _ = self.decoder(encoded.transpose(0, 1), last[:, :, :5])
        output: Tensor = self.head(decoded.view(-1, 5))
        return output


def tagger() -> Tagger:
    torch.manual_seed(0)
    return Tagger().double()


class CustomGRU(nn.GRU):
    pass


def of_double(layer: Any) -> Any:
    torch.nn.init.uniform_(next(layer.parameters()))
    return layer.double()


@pytest.mark.parametrize("backend", ["auto", "eager"])
def test_the_model_trains_as_before(backend: Any) -> None:
    losses = []
    for accelerated in (False, True):
        model = tagger()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        if accelerated:  # after the optimizer took the parameters
            report = mf.accelerate(model, backend=backend)
            assert report.accelerated == ("encoder", "decoder")
            assert not report.left_alone
        input, target = normal(4, 20, 3), normal(80, 2)
        for _ in range(5):
            optimizer.zero_grad()
            loss = (model(input) - target).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[5:] == pytest.approx(losses[:5], rel=1e-10)
    assert losses[9] < losses[5]


def test_nothing_but_the_classes_changes_and_restore_undoes_that() -> None:
    model = tagger().eval()
    model.decoder.train()
    calls: list[str] = []
    model.encoder.register_forward_hook(lambda *_: calls.append("hook"))
    before = model.state_dict(keep_vars=True)
    printed, layers = repr(model), list(model.modules())
    attributes = dict(model.encoder.__dict__)

    mf.accelerate(model, backend="eager")
    assert type(model.encoder) is AcceleratedGRU
    assert type(model.decoder) is AcceleratedRNN
    assert isinstance(model.encoder, nn.GRU)
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is value for name, value in before.items())
    assert all(one is other for one, other in zip(model.modules(), layers, strict=True))
    assert (model.encoder.training, model.decoder.training) == (False, True)
    model(normal(4, 20, 3))
    assert calls == ["hook"]

    report = mf.accelerate(model, restore=True)
    assert report.restored == ("encoder", "decoder")
    assert type(model.encoder) is nn.GRU
    assert repr(model) == printed
    assert model.encoder.__dict__.keys() == attributes.keys()
    assert mf.accelerate(model, restore=True).restored == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_itself_and_a_layer_in_two_places(kind: Any) -> None:
    layer = kind(3, 4)
    assert mf.accelerate(layer).accelerated == ("(the model)",)
    assert type(layer) is not kind
    model = nn.ModuleDict({"one": layer, "two": layer})
    assert mf.accelerate(model, restore=True).restored == ("one", "two")
    assert type(layer) is kind
    assert mf.accelerate(model).accelerated == ("one", "two")
    assert model["one"] is model["two"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("backend", "steps"),
    [
        ("eager", 3),
        pytest.param("fused", 3, marks=needs_compiled),
        pytest.param("auto", 20, marks=needs_compiled),
    ],
)
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_op_runs_and_gives_what_torch_gives(
    kind: Any, backend: Any, steps: int, batch_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = of_double(kind(3, 4, batch_first=batch_first))
    wanted = copy.deepcopy(layer)
    mf.accelerate(layer, backend=backend)
    input, hx = normal(2, steps, 3) if batch_first else normal(steps, 2, 3), normal(1, 2, 4)
    monkeypatch.setattr(nn.RNNBase, "check_forward_args", None)  # torch's code is not even asked
    results = layer(input, hx)
    monkeypatch.undo()
    torch.testing.assert_close(results, wanted(input, hx))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(7, 3), (7, 20, 3)])
def test_short_sequences_go_to_torch(kind: Any, size: tuple[int, ...]) -> None:
    layer = kind(3, 4)
    wanted = layer(torch.ones(size))
    mf.accelerate(layer)
    for one, other in zip(layer(torch.ones(size)), wanted, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_calls_that_the_op_cannot_take_go_to_torch(kind: Any) -> None:
    layer = of_double(kind(3, 4))
    wanted = copy.deepcopy(layer)
    mf.accelerate(layer)
    packed = pack_sequence([normal(20, 3), normal(2, 3)])
    output, last = layer(packed)
    assert isinstance(output, PackedSequence)
    assert torch.equal(output.data, wanted(packed)[0].data)
    assert torch.equal(last, wanted(packed)[1])
    tangents = [
        torch.func.jvp(lambda x, one=one: one(x)[0], (normal(20, 2, 3),), (normal(20, 2, 3),))
        for one in (layer, wanted)
    ]
    torch.testing.assert_close(tangents[0], tangents[1])
    layer.bfloat16()
    wanted.bfloat16()
    input = normal(20, 2, 3).bfloat16()
    torch.testing.assert_close(layer(input), wanted(input))
    layer.float()
    wanted.float()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(input.float()), wanted(input.float()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "arguments",
    [
        (torch.zeros(5, 2, 4),),
        (torch.zeros(5),),
        (torch.zeros(0, 2, 3),),
        (torch.zeros(5, 2, 3, dtype=torch.float64),),
        (torch.zeros(5, 2, 3), torch.zeros(2, 4)),
        (torch.zeros(5, 3), torch.zeros(1, 1, 4)),
        (torch.zeros(5, 2, 3), torch.zeros(1, 3, 4)),
    ],
)
def test_errors_are_those_of_torch(kind: Any, arguments: tuple[Tensor, ...]) -> None:
    layer = kind(3, 4)
    with pytest.raises((ValueError, RuntimeError)) as wanted:
        layer(*arguments)
    mf.accelerate(layer)
    with pytest.raises(type(wanted.value), match="^" + re.escape(str(wanted.value)) + "$"):
        layer(*arguments)


@needs_compiled
@pytest.mark.parametrize("kind", KINDS)
def test_fused_or_an_error_that_says_why(kind: Any) -> None:
    layer = kind(3, 4)
    mf.accelerate(layer, backend="fused")
    with pytest.raises(RuntimeError, match=r"not possible for .*: the input is a packed sequence"):
        layer(pack_sequence([torch.zeros(2, 3)]))
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(RuntimeError, match=r"not possible for .*: autocast is on"),
    ):
        layer(torch.zeros(5, 2, 3))
    with pytest.raises(RuntimeError, match=r"not possible for .*: a torch.func transform"):
        torch.func.jvp(layer, (torch.zeros(20, 2, 3),), (torch.ones(20, 2, 3),))


def weight_normed() -> nn.Module:
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(nn.GRU(3, 4), "weight_hh_l0")


def pruned() -> nn.Module:
    layer = nn.GRU(3, 4)
    prune.random_unstructured(layer, "weight_hh_l0", 0.5)
    return layer


def with_another_forward() -> nn.Module:
    layer = nn.GRU(3, 4)
    layer.forward = lambda input, hx=None: (input, hx)  # type: ignore[method-assign]
    return layer


def of_a_tensor_subclass() -> Any:
    class Special(Tensor):
        pass

    layer: Any = nn.GRU(3, 4)
    layer.weight_hh_l0 = nn.Parameter(layer.weight_hh_l0.detach().as_subclass(Special))
    return layer


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: nn.LSTM(3, 4), "there is no op for an LSTM"),
        (lambda: nn.GRUCell(3, 4), "a GRUCell runs one step a call"),
        (lambda: nn.GRU(3, 4, 2), "2 layers, and the ops have one"),
        (lambda: nn.GRU(3, 4, bidirectional=True), "bidirectional"),
        (lambda: nn.RNN(3, 4, nonlinearity="relu"), "nonlinearity='relu'"),
        (lambda: CustomGRU(3, 4), "CustomGRU is a subclass, which may do something else"),
        (
            lambda: nn.utils.parametrizations.orthogonal(nn.GRU(3, 4), "weight_hh_l0"),
            "its weights are parametrized",
        ),
        (weight_normed, "its weights are not plain parameters"),
        (pruned, "its weights are not plain parameters"),
        (with_another_forward, "its forward has been replaced"),
        (of_a_tensor_subclass, "weight_hh_l0 is a Special, not a plain parameter"),
    ],
)
def test_left_alone_with_the_reason(make: Any, reason: str) -> None:
    model = nn.Sequential(make(), nn.Linear(4, 2))
    before = type(model[0])
    report = mf.accelerate(model)
    assert report.accelerated == ()
    assert list(report.left_alone) == ["0"]
    assert reason in report.left_alone["0"]
    assert type(model[0]) is before
    assert mf.accelerate(model, restore=True).restored == ()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantized_layers_are_left_alone() -> None:
    model = nn.Sequential(nn.GRU(3, 4))
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.GRU}, dtype=torch.qint8)
    assert mf.accelerate(quantized).left_alone == {"0": "quantized"}


def test_parametrized_afterwards() -> None:
    """It goes on working, and restore says what keeps it from undoing."""
    model = nn.Sequential(nn.GRU(3, 4))
    mf.accelerate(model)
    nn.utils.parametrizations.orthogonal(model[0], "weight_ih_l0")
    weight: Any = model[0].weight_ih_l0
    torch.testing.assert_close(weight.T @ weight, torch.eye(3))
    wanted = nn.GRU(3, 4)
    wanted.load_state_dict({n: getattr(model[0], n) for n in wanted.state_dict()})
    torch.testing.assert_close(model(torch.ones(20, 2, 3)), wanted(torch.ones(20, 2, 3)))
    assert "parametrizations" in mf.accelerate(model, restore=True).left_alone["0"]
    nn.utils.parametrize.remove_parametrizations(model[0], "weight_ih_l0")
    assert mf.accelerate(model, restore=True).restored == ("0",)


def test_modules_of_this_package_are_not_touched() -> None:
    model = nn.ModuleDict({"gru": mf.GRU(3, 4), "leaky": mf.LeakyRNN(3, 4)})
    assert str(mf.accelerate(model)) == "no recurrent layers"
    mf.accelerate(model, restore=True)
    assert type(model["gru"]) is mf.GRU


def test_copies_pickles_and_files() -> None:
    model = tagger()
    mf.accelerate(model, backend="eager")
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    twins = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(file, weights_only=False),
    ]
    for twin in twins:
        assert type(twin.encoder) is AcceleratedGRU
        assert torch.equal(twin(normal(4, 20, 3)), model(normal(4, 20, 3)))
        mf.accelerate(twin, restore=True)
        torch.testing.assert_close(twin(normal(4, 20, 3)), model(normal(4, 20, 3)))


def test_weights_given_for_one_call() -> None:
    layer = nn.RNN(3, 4)
    other = {name: torch.rand_like(p) for name, p in layer.named_parameters()}
    wanted = torch.func.functional_call(layer, other, (torch.ones(20, 2, 3),))
    mf.accelerate(layer)
    got = torch.func.functional_call(layer, other, (torch.ones(20, 2, 3),))
    torch.testing.assert_close(got, wanted)


def test_compiles() -> None:
    model = tagger()
    wanted = model(normal(4, 20, 3))
    compiled = torch.compile(model, backend="aot_eager")
    torch.testing.assert_close(compiled(normal(4, 20, 3)), wanted)
    mf.accelerate(model)
    torch.testing.assert_close(compiled(normal(4, 20, 3)), wanted)


def test_the_report_prints_a_line_for_each_layer() -> None:
    model = nn.ModuleDict({"a": nn.GRU(3, 4), "b": nn.LSTM(3, 4)})
    printed = str(mf.accelerate(model)).splitlines()
    assert printed[:2] == ["accelerated: a", "left alone: b: there is no op for an LSTM"]
    assert str(mf.accelerate(model, restore=True)) == "restored: a"


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match=re.escape("model: expected a torch.nn.Module, got list")):
        mf.accelerate([nn.GRU(3, 4)])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"backend: expected one of .*, got 'quick'"):
        mf.accelerate(nn.GRU(3, 4), backend="quick")  # type: ignore[arg-type]
