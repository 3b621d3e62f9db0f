"""The offline network as a stream: samples come in chunks, a probability goes out for each.

Everything that a later answer needs is in `State`, which has the same size for ever. An offline
answer knows the last second of samples; what of it does a stream have to keep?
"""

from typing import NamedTuple

import torch
from frontend import HOP, Tables, log_mel, tables
from offline import Crnn
from torch import Tensor, nn

# This version is right and slow: it keeps the last second of samples and runs the offline
# network over all of it for every chunk. TODO: make it a stream. What did the last chunk compute
# that this one computes again? Keep it in `State`:
#
# 1. samples that the next frame overlaps with, so that every frame is computed once;
# 2. frames that the next step of the convolution overlaps with;
# 3. the hidden state of each GRU layer, carried on and on;
# 4. the last `max_window_length` outputs of the GRU, which attention looks at.
#
# Then train for it: a GRU that always began at zero has not learned to be carried (train.py).


class State(NamedTuple):
    """What is kept between chunks. All zeros is the beginning."""

    samples: Tensor
    """(1, 16000) the last second."""


class StreamingKws(nn.Module):
    """A trained `Crnn` that listens without end.

    `max_window_length` is the number of GRU outputs that attention looks at,
    `streaming_step_size` the number of frames from one to the next. With the stride of the network
    as the step and a window of 10, a second of the stream gives exactly the offline answer.
    """

    def __init__(
        self, crnn: Crnn, max_window_length: int = 10, streaming_step_size: int | None = None
    ) -> None:
        super().__init__()
        # TODO: use both arguments.
        self.crnn = crnn
        self.second = 100 * HOP

    @torch.jit.export
    def initial(self) -> State:
        """The state before the first sample."""
        return State(torch.zeros(1, self.second))

    def forward(self, chunk: Tensor, state: State, constants: Tables) -> tuple[Tensor, State]:
        """`chunk` (1, 160 n) in -1..1 and the state before it, to the probability (1, 1) after
        it and the state after it."""
        samples = torch.cat([state.samples, chunk], 1)[:, -self.second :].clone()
        probability = self.crnn(log_mel(samples, constants)).softmax(dim=1)[:, 1:]
        return probability, State(samples)


class ScriptStream(nn.Module):
    """State inside, `reset()` first and then `forward(chunk)`: what `model.ts` holds."""

    state: State
    constants: Tables

    def __init__(self, stream: StreamingKws) -> None:
        super().__init__()
        self.stream = stream
        # Empty in the file; `reset` fills them.
        self.state = State(*[torch.zeros(0) for _ in State._fields])
        self.constants = Tables(*[torch.zeros(0) for _ in Tables._fields])

    @torch.jit.export
    def reset(self) -> None:
        """Forget everything."""
        self.state = self.stream.initial()
        self.constants = tables(torch.zeros(1))

    def forward(self, chunk: Tensor) -> Tensor:
        probability, self.state = self.stream(chunk, self.state, self.constants)
        return probability
