"""Sentences about counts that are wrong, and what to try next."""

from __future__ import annotations

from itertools import combinations

from grader.text import Text, join, verbatim

from .truth import Count, Truth

CLOSE = 0.005
"""Relative tolerance for explaining a gap by the MACs of some operators."""

NAMES: dict[Count, Text] = {
    "macs": Text("MACs"),
    "parameters": Text("parameters"),
    "bytes": Text("bytes"),
    "activation_bytes": Text("activation bytes"),
}


DESCRIBED = {
    "a layer called several times": Text("a layer called several times"),
    "products of attention": Text("products of attention"),
    "Conv in a dict": Text("Conv in a dict"),
    "mul and sum": Text("mul and sum"),
    "quantized Linear": Text("quantized Linear"),
}
"""Operators of a model that are described in words; others are called as in PyTorch."""


def missed_operators(truth: Truth, found: float) -> Text | None:
    """The fewest kinds of operators whose MACs explain the gap of `found`, if there are any."""
    gap = truth.total("macs") - found
    if gap <= 0:
        return None
    by_op: dict[str, int] = {}
    for part in truth.parts:
        if part.macs:
            by_op[part.op] = by_op.get(part.op, 0) + part.macs
    for size in range(1, len(by_op) + 1):
        for ops in combinations(by_op, size):
            if abs(sum(by_op[op] for op in ops) - gap) <= CLOSE * truth.total("macs"):
                return join(", ", (DESCRIBED.get(op, verbatim(op)) for op in ops))
    return None


def wrong_count(count: Count, truth: Truth, found: float) -> Text:
    """One clause with the counted and the right number."""
    right, name = truth.total(count), NAMES[count]
    missed = missed_operators(truth, found) if count == "macs" else None
    because = verbatim("")
    if missed is not None:
        because = Text(": {ops} is not counted", ops=missed)
    return Text(
        "{name} {found:,.0f} instead of {right:,} ({percent:.3g}%){because}",
        name=name,
        found=found,
        right=right,
        percent=100 * found / right,
        because=because,
    )


def joined(clauses: list[Text]) -> Text:
    """Clauses as one sentence."""
    return join("; ", clauses) + "."


HINTS: dict[str, Text] = {
    "convolution": Text(
        "Outputs × (input channels / groups) × kernel; the output's size depends on stride and "
        "padding."
    ),
    "grouped_convolution": Text(
        "With groups each output sees only channels / groups inputs: weight.shape[1] says how many."
    ),
    "depthwise_convolution": Text(
        "groups = channels: an output sees one channel. One-dimensional kernels count too."
    ),
    "transposed_convolution": Text(
        "In a transposed convolution every input, not output, is multiplied by a whole kernel."
    ),
    "linear": Text("A layer works on all positions: batch × steps rows, not one."),
    "gru": Text(
        "3 × hidden × (inputs + hidden) a step, layer and direction; from the second layer on "
        "the inputs are hidden × directions. Both returned tensors are activations."
    ),
    "lstm": Text(
        "4 × hidden × (inputs + hidden) a step, layer and direction. A dispatch mode sees one "
        "fused operator: its weights are among the arguments."
    ),
    "multihead_attention": Text(
        "Queries and memory have different lengths here. Its out_proj is never called, and still "
        "multiplies."
    ),
    "scaled_dot_product": Text(
        "F.scaled_dot_product_attention is no module: no hook on a layer sees it. Use a "
        "TorchDispatchMode or a TorchFunctionMode."
    ),
    "shared_weights": Text(
        "A tensor that is used in two places is stored once; a layer that is called three times "
        "works three times."
    ),
    "functional_matmul": Text(
        "`x @ w`, torch.matmul and F.linear belong to no layer; count operators, not modules."
    ),
    "modules_in_lists": Text(
        "Modules in a plain list are not in model.modules(); global hooks "
        "(register_module_forward_hook) see their calls."
    ),
    "quantised_linear": Text(
        "Quantized layers are not nn.Linear and have no Parameters: weight() and bias() give "
        "what they packed, and a weight takes one byte."
    ),
    "einsum": Text(
        "An einsum of two operands multiplies as often as the sizes of all its indices say; "
        "below, it is a bmm."
    ),
    "embedding_bag": Text("Looking rows up multiplies nothing; the table counts as parameters."),
    "elementwise": Text(
        "Every output of `*` is a multiplication, or a matrix product written as mul and sum "
        "would be free."
    ),
    "normalised_residual": Text(
        "Buffers of a BatchNorm are bytes and no parameters; norms count no MACs here."
    ),
    "recurrent_loop": Text(
        "A cell in a loop works as often as it is called; products of its gates are part of it."
    ),
}
"""Hints by family, for wrong MACs."""

FURTHER_HINTS = (
    Text(
        "Write the smallest model of this kind, count it by hand on paper, and compare with what "
        "your function says."
    ),
    Text(
        "A TorchDispatchMode sees every operator with its arguments: print func and the shapes "
        "inside __torch_dispatch__ once, then give each name a formula."
    ),
    Text(
        "Operators that you have no formula for should be collected and printed, never passed "
        "over in silence: that is the list of your blind spots."
    ),
)
"""Hints for every family, after the one for what is wrong."""
COUNT_HINTS: dict[str, Text] = {
    "parameters": Text(
        "Each stored number once, wherever it hides: registered, in a plain list, or packed by a "
        "quantized layer (weight() and bias() hand it out)."
    ),
    "bytes": Text(
        "numel() × element_size() of every parameter and every buffer, each tensor once."
    ),
    "activation_bytes": Text(
        "Sum what each call returned during which no other module was called: every call, and "
        "every tensor of a tuple."
    ),
    "layers": Text(
        "The layers add up to the totals; an operator belongs to the module whose forward is "
        'running, "" is the model itself.'
    ),
}
"""Hints by the wrong count, where the MACs are right."""
