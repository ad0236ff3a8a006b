"""What the sanitizers run on a GPU, here on the CPU: no op is left out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from midiff_fast import _load
from tests.cuda.small_shapes import ONLY_ON_CUDA, every_op


class Names(TorchDispatchMode):
    """The names of this package's ops that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), settings: Any = None
    ) -> Any:
        if function.namespace == "midiff":
            self.called.add(function.overloadpacket.__name__)
        return function(*arguments, **(settings or {}))


@pytest.mark.skipif(not _load.available, reason=_load.reason)
def test_small_shapes_call_every_op() -> None:
    with Names() as names:
        made = every_op("cpu")
    assert all(bool(tensor.isfinite().all()) for tensor in made)
    every = {
        name.removeprefix("midiff::").split(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("midiff::")
    }
    assert every - names.called == ONLY_ON_CUDA
