"""The offline network as a stream: samples come in chunks, a probability goes out for each.

Everything that a later answer needs is in `State`, which has the same size for ever. An offline
answer knows the last second of samples; what of it does a stream have to keep?
"""

from typing import NamedTuple

import frontend  # SOLUTION
import torch
from frontend import HOP, Tables, log_mel, tables
from offline import Crnn
from torch import Tensor, nn
from torch.nn import functional as F  # SOLUTION

# BEGIN SOLUTION
# Kept between chunks are
#
# - samples that the next frame overlaps with;
# - frames that the next step of the convolution overlaps with;
# - where in a step the stream stands (`position`);
# - the hidden state of each GRU layer, which is carried on and on;
# - the last `max_window_length` outputs of the GRU and their energies: what attention looks at.
#
# The softmax is taken anew over the kept energies, their maximum subtracted first. Keeping
# exponentials and their running sum would save one exponential for every kept step; but adding
# and subtracting in float32 leaves a rounding error in the sum for ever, and without the maximum
# an energy of 89 overflows.

HISTORY = 320
"""Samples kept: 240 that the next frame shares with the last one, and 80 so that frames start at
multiples of the hop, as offline."""
GHOSTS = 2
"""Frames that begin before the stream does; no step may look at them."""

# STARTER
# # This version is right and slow: it keeps the last second of samples and runs the offline
# # network over all of it for every chunk. TODO: make it a stream. What did the last chunk compute
# # that this one computes again? Keep it in `State`:
# #
# # 1. samples that the next frame overlaps with, so that every frame is computed once;
# # 2. frames that the next step of the convolution overlaps with;
# # 3. the hidden state of each GRU layer, carried on and on;
# # 4. the last `max_window_length` outputs of the GRU, which attention looks at.
# #
# # Then train for it: a GRU that always began at zero has not learned to be carried (train.py).
# END SOLUTION


class State(NamedTuple):
    """What is kept between chunks. All zeros is the beginning."""

    samples: Tensor
    # BEGIN SOLUTION
    """(1, 320)"""
    frames: Tensor
    """(1, 40, kernel - 1) log-mel bands."""
    position: Tensor
    """(1,) frames towards the next step."""
    hidden: Tensor
    """(layers, 1, hidden)"""
    outputs: Tensor
    """(1, max_window_length, hidden), the newest last."""
    energies: Tensor
    """(1, max_window_length)"""
    filled: Tensor
    """(1,) how many of the outputs there are already."""
    # STARTER
    # """(1, 16000) the last second."""
    # END SOLUTION


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
        # BEGIN SOLUTION
        config = crnn.config
        self.conv, self.grus = crnn.conv, crnn.grus
        self.energy, self.classifier = crnn.energy, crnn.classifier
        self.window = max_window_length
        self.hop, self.bands, self.history, self.ghosts = HOP, frontend.BANDS, HISTORY, GHOSTS
        self.step = streaming_step_size or config.stride[1]
        self.kernel = config.kernel[1]
        self.band_stride = config.stride[0]
        self.hidden_size = config.hidden
        self.layers = config.layers
        # STARTER
        # # TODO: use both arguments.
        # self.crnn = crnn
        # self.second = 100 * HOP
        # END SOLUTION

    @torch.jit.export
    def initial(self) -> State:
        """The state before the first sample."""
        # BEGIN SOLUTION
        return State(
            torch.zeros(1, self.history),
            torch.zeros(1, self.bands, self.kernel - 1),
            torch.zeros(1),
            torch.zeros(self.layers, 1, self.hidden_size),
            torch.zeros(1, self.window, self.hidden_size),
            torch.zeros(1, self.window),
            torch.zeros(1),
        )
        # STARTER
        # return State(torch.zeros(1, self.second))
        # END SOLUTION

    def forward(self, chunk: Tensor, state: State, constants: Tables) -> tuple[Tensor, State]:
        """`chunk` (1, 160 n) in -1..1 and the state before it, to the probability (1, 1) after
        it and the state after it."""
        # BEGIN SOLUTION
        count = chunk.shape[1] // self.hop
        samples = torch.cat([state.samples, chunk], 1)
        frames = torch.cat([state.frames, log_mel(samples, constants)], 2)
        # Of the steps that may end in this chunk the first `done` do; the shapes must not
        # depend on the state, so that the others are computed too and never looked at.
        due = self.kernel + self.ghosts - 1 - state.position
        possible = (count + self.step - 1) // self.step
        done = torch.clamp(torch.floor((count - 1 - due) / self.step) + 1, min=0.0)
        inputs = self._convolved(frames, due, possible, count)
        states, hidden = self._recurrent(inputs, state.hidden, done)
        energies = torch.cat([state.energies, self.energy(states).squeeze(2)], 1)
        outputs = torch.cat([state.outputs, states], 1)
        last = torch.arange(self.window) + done.to(torch.int64)
        energies = energies.index_select(1, last)
        outputs = outputs.index_select(1, last)
        filled = torch.clamp(state.filled + done, max=float(self.window))
        probability = self._attended(outputs, energies, filled)
        position = state.position + count - self.step * done
        # Clones: a view would keep the whole chunk alive.
        new = State(
            samples[:, -self.history :].clone(),
            frames[:, :, -(self.kernel - 1) :].clone(),
            position,
            hidden,
            outputs,
            energies,
            filled,
        )
        return probability, new
        # STARTER
        # samples = torch.cat([state.samples, chunk], 1)[:, -self.second :].clone()
        # probability = self.crnn(log_mel(samples, constants)).softmax(dim=1)[:, 1:]
        # return probability, State(samples)
        # END SOLUTION

    # BEGIN SOLUTION
    def _convolved(self, frames: Tensor, due: Tensor, possible: int, count: int) -> Tensor:
        """Features (1, possible, channels * bands) of the steps, the first ending at frame `due`
        of the chunk."""
        span = torch.arange(self.step * (possible - 1) + self.kernel) + due.to(torch.int64)
        looked_at = torch.clamp(span, max=count + self.kernel - 2)
        stride = (self.band_stride, self.step)
        maps = F.conv2d(
            frames.index_select(2, looked_at).unsqueeze(1), self.conv.weight, self.conv.bias, stride
        )
        return maps.flatten(1, 2).transpose(1, 2)

    def _recurrent(self, inputs: Tensor, hidden: Tensor, done: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the last layer, and each layer's state after `done` steps."""
        chosen = done.to(torch.int64)
        carried = []
        for layer, gru in enumerate(self.grus):
            before = hidden[layer : layer + 1]
            inputs, _ = gru(inputs, before)
            carried.append(torch.cat([before, inputs], 1).index_select(1, chosen))
        return inputs, torch.cat(carried, 0)

    def _attended(self, outputs: Tensor, energies: Tensor, filled: Tensor) -> Tensor:
        """The probability; 0 before the first step is complete."""
        missing = torch.arange(self.window) < self.window - filled
        attention = torch.softmax(energies.masked_fill(missing, -1e9), 1)
        context = torch.matmul(attention.unsqueeze(1), outputs).squeeze(1)
        probability = torch.softmax(self.classifier(context), 1)[:, 1:]
        return torch.where(filled > 0.5, probability, torch.zeros_like(probability))

    # END SOLUTION


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
