"""Sentences about counts that are wrong, and what to try next."""

from __future__ import annotations

from itertools import combinations

from grader.text import Text, ru_number

from .truth import Count, Truth

CLOSE = 0.005
"""Relative tolerance for explaining a gap by the MACs of some operators."""

NAMES: dict[Count, Text] = {
    "macs": Text(en="MACs", ru="MAC"),
    "parameters": Text(en="parameters", ru="параметры"),
    "bytes": Text(en="bytes", ru="байты"),
    "activation_bytes": Text(en="activation bytes", ru="байты активаций"),
}


def missed_operators(truth: Truth, found: float) -> list[str]:
    """The fewest kinds of operators whose MACs explain the gap of `found`, if there are any."""
    gap = truth.total("macs") - found
    if gap <= 0:
        return []
    by_op: dict[str, int] = {}
    for part in truth.parts:
        if part.macs:
            by_op[part.op] = by_op.get(part.op, 0) + part.macs
    for size in range(1, len(by_op) + 1):
        for ops in combinations(by_op, size):
            if abs(sum(by_op[op] for op in ops) - gap) <= CLOSE * truth.total("macs"):
                return list(ops)
    return []


def wrong_count(count: Count, truth: Truth, found: float) -> Text:
    """One clause with the counted and the right number."""
    right, name = truth.total(count), NAMES[count]
    percent = f"{100 * found / right:.3g}"
    missed = missed_operators(truth, found) if count == "macs" else []
    because = Text(en="", ru="")
    if missed:
        ops = ", ".join(missed)
        because = Text(en=f": {ops} is not counted", ru=f": не посчитано {ops}")
    return Text(
        en=f"{name.en} {found:,.0f} instead of {right:,} ({percent}%){because.en}",
        ru=f"{name.ru}: {ru_number(found)} вместо {ru_number(right)} ({percent}%){because.ru}",
    )


def joined(clauses: list[Text]) -> Text:
    """Clauses as one sentence."""
    return Text(
        en="; ".join(clause.en for clause in clauses) + ".",
        ru="; ".join(clause.ru for clause in clauses) + ".",
    )


HINTS: dict[str, Text] = {
    "convolution": Text(
        en="Outputs × (input channels / groups) × kernel; the output's size depends on stride and "
        "padding.",
        ru="Выходы × (входные каналы / группы) × ядро; размер выхода зависит от stride и padding.",
    ),
    "grouped_convolution": Text(
        en="With groups each output sees only channels / groups inputs: weight.shape[1] says how "
        "many.",
        ru="С группами выход видит только каналы / группы входов: сколько именно, говорит "
        "weight.shape[1].",
    ),
    "depthwise_convolution": Text(
        en="groups = channels: an output sees one channel. One-dimensional kernels count too.",
        ru="groups = channels: выход видит один канал. Одномерные свёртки тоже считаются.",
    ),
    "transposed_convolution": Text(
        en="In a transposed convolution every input, not output, is multiplied by a whole kernel.",
        ru="В транспонированной свёртке на всё ядро умножается каждый вход, а не выход.",
    ),
    "linear": Text(
        en="A layer works on all positions: batch × steps rows, not one.",
        ru="Слой обрабатывает все позиции: batch × steps строк, а не одну.",
    ),
    "gru": Text(
        en="3 × hidden × (inputs + hidden) a step, layer and direction; from the second layer on "
        "the inputs are hidden × directions. Both returned tensors are activations.",
        ru="3 × hidden × (входы + hidden) на шаг, слой и направление; со второго слоя входов "
        "hidden × направления. Активации — оба возвращённых тензора.",
    ),
    "lstm": Text(
        en="4 × hidden × (inputs + hidden) a step, layer and direction. A dispatch mode sees one "
        "fused operator: its weights are among the arguments.",
        ru="4 × hidden × (входы + hidden) на шаг, слой и направление. Dispatch-режим видит одну "
        "слитую операцию: веса — среди её аргументов.",
    ),
    "multihead_attention": Text(
        en="Queries and memory have different lengths here. Its out_proj is never called, and "
        "still multiplies.",
        ru="У запросов и памяти здесь разная длина. out_proj никто не вызывает, а умножения в нём "
        "есть.",
    ),
    "scaled_dot_product": Text(
        en="F.scaled_dot_product_attention is no module: no hook on a layer sees it. Use a "
        "TorchDispatchMode or a TorchFunctionMode.",
        ru="F.scaled_dot_product_attention — не модуль: хук на слое её не видит. Возьмите "
        "TorchDispatchMode или TorchFunctionMode.",
    ),
    "shared_weights": Text(
        en="A tensor that is used in two places is stored once; a layer that is called three times "
        "works three times.",
        ru="Тензор, который используется в двух местах, хранится один раз; слой, вызванный трижды, "
        "трижды и работает.",
    ),
    "functional_matmul": Text(
        en="`x @ w`, torch.matmul and F.linear belong to no layer; count operators, not modules.",
        ru="`x @ w`, torch.matmul и F.linear не принадлежат слоям; считайте операции, а не модули.",
    ),
    "modules_in_lists": Text(
        en="Modules in a plain list are not in model.modules(); global hooks "
        "(register_module_forward_hook) see their calls.",
        ru="Модулей из обычного списка нет в model.modules(); их вызовы видят глобальные хуки "
        "(register_module_forward_hook).",
    ),
    "quantised_linear": Text(
        en="Quantized layers are not nn.Linear and have no Parameters: weight() and bias() give "
        "what they packed, and a weight takes one byte.",
        ru="Квантованный слой — не nn.Linear и не содержит Parameter: упакованное отдают weight() "
        "и bias(), и вес занимает один байт.",
    ),
    "einsum": Text(
        en="An einsum of two operands multiplies as often as the sizes of all its indices say; "
        "below, it is a bmm.",
        ru="einsum двух операндов умножает столько раз, каково произведение размеров всех "
        "индексов; уровнем ниже это bmm.",
    ),
    "embedding_bag": Text(
        en="Looking rows up multiplies nothing; the table counts as parameters.",
        ru="Выбор строк ничего не умножает; таблица входит в параметры.",
    ),
    "elementwise": Text(
        en="Every output of `*` is a multiplication, or a matrix product written as mul and sum "
        "would be free.",
        ru="Каждый выход `*` — умножение, иначе матричное произведение из mul и sum было бы "
        "бесплатным.",
    ),
    "normalised_residual": Text(
        en="Buffers of a BatchNorm are bytes and no parameters; norms count no MACs here.",
        ru="Буферы BatchNorm — байты, но не параметры; MAC нормализаций здесь не считаются.",
    ),
    "recurrent_loop": Text(
        en="A cell in a loop works as often as it is called; products of its gates are part of it.",
        ru="Ячейка в цикле работает столько раз, сколько вызвана; произведения вентилей входят в "
        "неё.",
    ),
}
"""Hints by family, for wrong MACs."""

COUNT_HINTS: dict[str, Text] = {
    "parameters": Text(
        en="Each stored number once, wherever it hides: registered, in a plain list, or packed by "
        "a quantized layer (weight() and bias() hand it out).",
        ru="Каждое хранимое число один раз, где бы оно ни было: зарегистрировано, в обычном списке "
        "или упаковано квантованным слоем (его отдают weight() и bias()).",
    ),
    "bytes": Text(
        en="numel() × element_size() of every parameter and every buffer, each tensor once.",
        ru="numel() × element_size() каждого параметра и каждого буфера, каждый тензор один раз.",
    ),
    "activation_bytes": Text(
        en="Sum what each call returned during which no other module was called: every call, and "
        "every tensor of a tuple.",
        ru="Складывайте то, что вернул каждый вызов, внутри которого не вызывался другой модуль: "
        "все вызовы и все тензоры кортежа.",
    ),
    "layers": Text(
        en="The layers add up to the totals; an operator belongs to the module whose forward is "
        'running, "" is the model itself.',
        ru="Слои в сумме дают итог; операция относится к модулю, чей forward выполняется, а "
        '"" — сама модель.',
    ),
}
"""Hints by the wrong count, where the MACs are right."""
