"""A profiler: what a PyTorch model costs, in total and by layer.

`grader check` calls profile_model on 18 models, one of each family: convolutions (grouped,
depthwise, transposed), linear layers, GRU and LSTM, attention, shared weights, matrix products
outside of layers, modules in plain lists, quantized layers, einsum, embeddings, products of
elements, a residual block with norms, a cell in a loop. Every count has to be right within 1%. The
hidden models have other sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


def profile_model(model: nn.Module, example_inputs: Sequence[Tensor]) -> dict[str, Any]:
    """Profile one call `model(*example_inputs)`, the whole batch; the model is in eval mode.

    Returns a dict of plain Python numbers (no tensors, no numpy):

    parameters        learnt numbers, each stored number once, wherever it is used: registered
                      Parameters, those of modules that are called but not registered (in a plain
                      list), weights and biases inside quantized layers
    bytes             what these and the buffers take as they are stored: 4 a float32, 1 an int8.
                      Scales and zero points of quantized weights do not count
    macs              multiplications: matrix products, convolutions, attention and recurrent cells
                      exactly, without their scales and gates; an elementwise multiplication (`*`)
                      1 an output. Everything else counts 0: additions, norms, softmax,
                      activations, look-ups
    activation_bytes  bytes of the tensors that were returned by calls of modules during which no
                      other module was called. Every call counts, and every tensor of a tuple. It is
                      what a layer-by-layer run writes to memory, and what training has to keep;
                      what operators write inside one module is not in it
    seconds           one call, without hooks or modes
    layers            a list of dicts, one a module: "name" and the five figures above. The name is
                      that in model.named_modules(), "" for what the model's own forward does
                      outside of other modules; what has no name there gets one of yours. What is
                      shared counts where it is met first. The layers' counts add up to the totals
    """
    # TODO: these see only what is registered. What does the model do that no layer does?
    parameters = sum(parameter.numel() for parameter in model.parameters())
    totals = {
        "parameters": parameters,
        "bytes": 4 * parameters,
        "macs": 0,  # TODO: hooks on layers, or better a TorchDispatchMode
        "activation_bytes": 0,  # TODO
        "seconds": 0.0,  # TODO
    }
    return {**totals, "layers": [{"name": "", **totals}]}
