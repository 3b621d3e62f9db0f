"""The table of costs: what every operator of ai.onnx counts, as data (`COSTS`).

A MAC is one multiplication with one addition. Convolutions, matrix products and recurrent cells
are counted exactly. Outside them

- a multiplication counts 1 per output, and so does every operator that multiplication can be had
  from (division, powers, square roots, exponentials, logarithms, trigonometry, normalisation,
  scales of quantisation, activations with a product inside);
- an addition is free where it is the second half of a MAC: directly after a multiplication or a
  linear operator (bias, residual, sum of products), also through views and activations, once
  for each multiplication. Any other addition of data counts 1, so that a matrix product
  written as selecting and summing (ternary weights, look-up tables, |x - w|) is not free;
- moving, comparing and selecting data, piecewise-linear and saturating activations are free,
  as long as they do not combine numbers that depend on the data: Max, Min, Where, comparisons
  and logic between two of them, and tables looked up by them, count 1 per output;
- operators on constants and shapes alone run when the model is loaded and count 0. What they
  are made from counts in bytes as it is stored: weights may be stored as factors, quantised or
  generated, as in any compression.

Operators that are not here are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from grader.measure.costs import operators as of
from grader.measure.costs.view import Cost, View
from grader.text import Text

Kind = Literal["exact", "charged", "addition", "free"]


@dataclass(frozen=True)
class Rule:
    """What the operators of one row cost.

    `product` means that the outputs are products whose additions are still to come (view.Credit);
    free operators hand on what their input has.
    """

    ops: tuple[str, ...]
    kind: Kind
    formula: Text
    count: Callable[[View], Cost]
    product: bool = False


def _rule(
    ops: str, kind: Kind, count: Callable[[View], Cost], en: str, ru: str, product: bool = False
) -> Rule:
    return Rule(tuple(ops.split()), kind, Text(en=en, ru=ru), count, product)


RULES: tuple[Rule, ...] = (
    _rule(
        "Conv ConvInteger QLinearConv",
        "exact",
        of.conv,
        "outputs × (input channels / groups) × kernel; QLinearConv: + 1 per output to rescale",
        "выходы × (входные каналы / группы) × ядро; QLinearConv: + 1 на выход за масштаб",
        product=True,
    ),
    _rule(
        "ConvTranspose",
        "exact",
        of.conv_transpose,
        "inputs × (output channels / groups) × kernel",
        "входы × (выходные каналы / группы) × ядро",
        product=True,
    ),
    _rule(
        "MatMul MatMulInteger QLinearMatMul",
        "exact",
        of.matmul,
        "outputs × inner dimension; QLinearMatMul: + 1 per output to rescale",
        "выходы × внутренняя размерность; QLinearMatMul: + 1 на выход за масштаб",
        product=True,
    ),
    _rule(
        "Gemm",
        "exact",
        of.gemm,
        "M × N × K; + M × N for each of alpha, beta that is not 1",
        "M × N × K; + M × N за каждый из alpha, beta, не равный 1",
        product=True,
    ),
    _rule(
        "Einsum",
        "exact",
        of.einsum,
        "product of the index sizes, operands taken pairwise from the left; one operand: its sums",
        "произведение размеров индексов, операнды попарно слева; один операнд: его суммы",
        product=True,
    ),
    _rule(
        "RNN GRU LSTM",
        "exact",
        of.recurrent,
        "steps × directions × gates (1, 3, 4) × hidden × (input + hidden); products of gates are "
        "part of the cell; LSTM peepholes: + 3 × hidden a step",
        "шаги × направления × вентили (1, 3, 4) × скрытый × (вход + скрытый); произведения "
        "вентилей входят в ячейку; peephole в LSTM: + 3 × скрытый на шаг",
        product=True,
    ),
    _rule(
        "Attention",
        "exact",
        of.attention,
        "heads × queries × keys × (key depth + value depth); + 1 per element of Q and K for the "
        "scale, + 2 per score for softcap",
        "головы × запросы × ключи × (глубина ключа + глубина значения); + 1 на элемент Q и K за "
        "масштаб, + 2 на оценку за softcap",
        product=True,
    ),
    _rule(
        "AffineGrid",
        "exact",
        of.affine_grid,
        "outputs × (axes + 1)",
        "выходы × (оси + 1)",
        product=True,
    ),
    _rule(
        "DFT",
        "exact",
        of.dft,
        "N log2 N for powers of two, otherwise 2 × N × bins; twice that for complex input",
        "N log2 N для степеней двойки, иначе 2 × N × частоты; вдвое больше для комплексного входа",
        product=True,
    ),
    _rule(
        "STFT",
        "exact",
        of.stft,
        "DFT of every frame, + 1 per sample of a frame for the window",
        "DFT каждого кадра, + 1 на отсчёт кадра за окно",
        product=True,
    ),
    _rule(
        "Det",
        "exact",
        of.determinant,
        "n³ per matrix",
        "n³ на матрицу",
        product=True,
    ),
    _rule(
        "Mul Div Pow Reciprocal Sqrt Mod BitShift CumProd",
        "charged",
        of.per_output,
        "1 per output",
        "1 на выход",
        product=True,
    ),
    _rule(
        "Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh",
        "charged",
        of.per_output,
        "1 per output (products can be had from logarithms and angles)",
        "1 на выход (из логарифмов и углов получаются произведения)",
        product=True,
    ),
    _rule(
        "PRelu LeakyRelu Elu Selu Celu HardSigmoid HardSwish Swish Gelu Mish Softsign",
        "charged",
        of.per_output,
        "1 per output (a slope, or a product of the input with a gate)",
        "1 на выход (наклон или произведение входа на вентиль)",
        product=True,
    ),
    _rule(
        "BatchNormalization QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
        "charged",
        of.per_output,
        "1 per output (scale and shift); on constants 0",
        "1 на выход (масштаб и сдвиг); над константами 0",
        product=True,
    ),
    _rule(
        "LayerNormalization InstanceNormalization GroupNormalization MeanVarianceNormalization "
        "RMSNormalization LpNormalization",
        "charged",
        of.normalisation,
        "4 per element: mean, squares, division, scale (RMS and Lp: 3)",
        "4 на элемент: среднее, квадраты, деление, масштаб (RMS и Lp: 3)",
        product=True,
    ),
    _rule(
        "LRN",
        "charged",
        of.local_response,
        "(size + 3) per output",
        "(size + 3) на выход",
        product=True,
    ),
    _rule(
        "RotaryEmbedding",
        "charged",
        of.rotary,
        "2 per output",
        "2 на выход",
        product=True,
    ),
    _rule(
        "ReduceProd ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSum GlobalLpPool",
        "charged",
        of.per_input,
        "1 per input and 1 per output",
        "1 на вход и 1 на выход",
        product=True,
    ),
    _rule(
        "ReduceLogSumExp",
        "charged",
        of.softplus_like,
        "2 per input and 1 per output",
        "2 на вход и 1 на выход",
        product=True,
    ),
    _rule(
        "AveragePool LpPool",
        "charged",
        of.pooling,
        "outputs × kernel",
        "выходы × ядро",
        product=True,
    ),
    _rule(
        "Resize",
        "charged",
        of.resize,
        "nearest: 0; linear 2, cubic 4 per output, to the power of the resized axes",
        "nearest: 0; linear 2, cubic 4 на выход, в степени числа изменяемых осей",
    ),
    _rule(
        "GridSample",
        "charged",
        of.grid_sample,
        "neighbours (2 or 4 per axis) per output and per location, + 1 per coordinate",
        "соседи (2 или 4 на ось) на выход и на точку, + 1 на координату",
        product=True,
    ),
    _rule(
        "BitwiseAnd BitwiseOr BitwiseXor BitwiseNot",
        "charged",
        of.bitwise,
        "1 per bit of output (an AND of n bits is n one-bit products)",
        "1 на бит выхода (AND над n битами — это n однобитных произведений)",
    ),
    _rule(
        "Add Sub Sum",
        "addition",
        of.addition,
        "1 per output, 0 directly after a multiplication or a linear operator",
        "1 на выход, 0 сразу после умножения или линейного оператора",
    ),
    _rule(
        "Mean",
        "addition",
        of.mean,
        "as Sum, + 1 per output",
        "как Sum, + 1 на выход",
    ),
    _rule(
        "ReduceSum",
        "addition",
        of.reduce_sum,
        "1 per term after the first, 0 directly after a multiplication or a linear operator",
        "1 на слагаемое после первого, 0 сразу после умножения или линейного оператора",
    ),
    _rule(
        "ReduceMean GlobalAveragePool",
        "addition",
        of.reduce_mean,
        "as ReduceSum, + 1 per output",
        "как ReduceSum, + 1 на выход",
    ),
    _rule(
        "Softmax LogSoftmax",
        "addition",
        of.softmax,
        "1 per term after the first of each sum, 0 directly after a linear operator",
        "1 на слагаемое каждой суммы после первого, 0 сразу после линейного оператора",
    ),
    _rule(
        "CumSum",
        "addition",
        of.cumulative_sum,
        "1 per output, 0 directly after a multiplication",
        "1 на выход, 0 сразу после умножения",
    ),
    _rule(
        "ScatterElements ScatterND",
        "addition",
        of.scatter,
        "0 at constant places without reduction, otherwise 1 per update",
        "0 по постоянным номерам без reduction, иначе 1 на обновление",
    ),
    _rule(
        "Col2Im",
        "addition",
        of.column_to_image,
        "1 per input",
        "1 на вход",
    ),
    _rule(
        "Relu Sigmoid Tanh Softplus Erf ThresholdedRelu Shrink Clip Abs Neg Sign Ceil Floor Round "
        "Hardmax Dropout",
        "free",
        of.free,
        "0 (a function of one number that multiplies nothing)",
        "0 (функция одного числа, которая ничего не умножает)",
    ),
    _rule(
        "Max Min Where Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor",
        "free",
        of.combination,
        "0 against a constant that does not enlarge its input (a threshold, a mask), otherwise "
        "1 per output: combining numbers is a layer, whatever it is made of",
        "0 с константой, которая не увеличивает вход (порог, маска), иначе 1 на выход: "
        "соединение чисел — это слой, из чего бы он ни состоял",
    ),
    _rule(
        "Not IsInf IsNaN ArgMax ArgMin ReduceMax ReduceMin MaxPool GlobalMaxPool TopK",
        "free",
        of.free,
        "0 (comparing and selecting)",
        "0 (сравнение и выбор)",
    ),
    _rule(
        "Gather GatherElements GatherND",
        "free",
        of.look_up,
        "0 at constant places; where the data say which, 1 per output and per index (a table can "
        "hold any function, products among them)",
        "0 по постоянным номерам; если номера зависят от данных, 1 на выход и на номер (в таблице "
        "может быть любая функция, в том числе произведение)",
    ),
    _rule(
        "Identity Cast CastLike BitCast Reshape Flatten Squeeze Unsqueeze Transpose Concat Split "
        "Slice Expand Tile Pad CenterCropPad DepthToSpace SpaceToDepth ReverseSequence Trilu "
        "OneHot TensorScatter",
        "free",
        of.free,
        "0 (moving data)",
        "0 (перемещение данных)",
    ),
    _rule(
        "Constant ConstantOfShape Range EyeLike Shape Size HannWindow HammingWindow "
        "BlackmanWindow MelWeightMatrix",
        "free",
        of.free,
        "0 (constants)",
        "0 (константы)",
    ),
)

COSTS: dict[str, Rule] = {op: rule for rule in RULES for op in rule.ops}
"""The rule of every operator that is counted, by name."""
