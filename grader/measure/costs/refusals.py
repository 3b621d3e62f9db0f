"""The limits of a graded ONNX model, and the sentences with which one is refused.

Each reason has a code and one sentence in both languages. Names inside the sentences come from the
submission. They are shortened and cleaned of control characters here; a page that shows them still
has to escape them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from grader.text import Lang, Text
from grader.text.errors import Rejected
from grader.text.untrusted import quoted

MIB = 2**20


@dataclass(frozen=True)
class GraphLimits:
    """The bounds under which `inspect` counts a model; beyond them it is refused."""

    opsets: range = range(13, 27)
    """Opsets of ai.onnx: 13 moved shapes into inputs; 26 is the newest that both onnx 1.23 and
    ONNX Runtime 1.31 know."""
    ir_versions: range = range(4, 14)
    max_file_bytes: int = 512 * MIB
    max_nodes: int = 5_000
    """Nodes after functions are inlined."""
    max_inputs: int = 512
    """Inputs and outputs of the graph together, without stored tensors that are also inputs."""
    max_tensor_bytes: int = 512 * MIB
    """Any one tensor, stored or computed, at batch 1 (times the batch otherwise)."""
    max_constant_bytes: int = 1024 * MIB
    """All tensors computed from constants alone, together."""
    max_constant_macs: int = 10**10
    """Work on constants alone, done once when the model is loaded."""
    max_macs: int = 10**13
    """MACs at batch 1."""
    batches: tuple[int, ...] = (1, 2, 3, 128)
    """Batch sizes at which the graph is counted. The first must be 1 and is the one reported; at
    the others the cost per example must not be higher. Put the sizes that are run in here."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of named dynamic dimensions other than the batch, as {"samples": 1600}."""
    length: int | None = None
    """Size of a dynamic second axis of an input, whatever it is called: tokens of a sequence."""


DEFAULT_LIMITS = GraphLimits()


class Refused(Rejected):
    """A model that is not counted. `code` is short and stable, for tests and statistics."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text)
        self.code = code


def refuse(code: str, **found: object) -> NoReturn:
    """Raise the refusal `code`, with the values `found` in its sentence."""
    languages: tuple[Lang, ...] = ("en", "ru")
    texts: list[str] = []
    for lang, sentence in zip(languages, _SENTENCES[code], strict=True):
        values = {n: v.to(lang) if isinstance(v, Text) else v for n, v in found.items()}
        texts.append(sentence.format(**{name: quoted(v) for name, v in values.items()}))
    raise Refused(code, Text(*texts))


_SENTENCES: dict[str, tuple[str, str]] = {
    # The file.
    "empty": (
        "The model file is empty: export the model again and check the size of the file.",
        "Файл модели пуст: экспортируйте модель ещё раз и проверьте размер файла.",
    ),
    "checkpoint": (
        "This is a checkpoint or an archive ({kind}), not an ONNX model: export it with export() "
        "from the template or torch.onnx.export and submit model.onnx.",
        "Это чекпойнт или архив ({kind}), а не модель ONNX: экспортируйте её функцией export() "
        "из шаблона или torch.onnx.export и сдайте model.onnx.",
    ),
    "not_onnx": (
        "The file is not a readable ONNX model ({why}): it may have been cut short while copying; "
        "export it again.",
        "Файл не читается как модель ONNX ({why}): возможно, он обрезан при копировании; "
        "экспортируйте модель ещё раз.",
    ),
    "file_size": (
        "The model file takes {size} bytes, at most {limit} are allowed: make the model smaller.",
        "Файл модели занимает {size} байт, а допускается не больше {limit}: уменьшите модель.",
    ),
    "ir_version": (
        "The model says IR version {version}; {least} to {most} are supported: export it with "
        "the onnx version of the course.",
        "В модели указана версия IR {version}, а поддерживаются версии от {least} до {most}: "
        "экспортируйте модель с той версией onnx, что в курсе.",
    ),
    "opset": (
        "The model uses opset {version} of ai.onnx; {least} to {most} are supported: pass "
        "opset_version={advised} to the exporter.",
        "Модель использует opset {version} домена ai.onnx, а поддерживаются от {least} до {most}: "
        "передайте экспортёру opset_version={advised}.",
    ),
    "opset_missing": (
        "The model does not say exactly once which opset of ai.onnx it uses: export it again.",
        "В модели должен быть ровно один раз указан opset домена ai.onnx: экспортируйте её заново.",
    ),
    "training": (
        "The model contains training information, and only inference is graded: export the "
        "model in eval mode, without training_info.",
        "Модель содержит сведения для обучения, а оценивается только вывод: экспортируйте её в "
        "режиме eval, без training_info.",
    ),
    "no_nodes": (
        "The graph has no nodes: the model computes nothing; export the trained model.",
        "В графе нет ни одного узла: модель ничего не вычисляет; экспортируйте обученную модель.",
    ),
    "no_outputs": (
        "The graph has no outputs: give the exporter output_names.",
        "У графа нет выходов: передайте экспортёру output_names.",
    ),
    "many_nodes": (
        "The graph has more than {limit} nodes once functions are inlined: simplify the model.",
        "После подстановки функций в графе больше {limit} узлов: упростите модель.",
    ),
    "many_inputs": (
        "The graph has {found} inputs and outputs, at most {limit} are allowed: export the model "
        "with the inputs and outputs of the lesson alone.",
        "У графа {found} входов и выходов, а допускается не больше {limit}: экспортируйте модель "
        "только с теми входами и выходами, которые требует занятие.",
    ),
    # Tensors.
    "external_data": (
        "Tensor {tensor} keeps its data in another file (external data): save the model as one "
        "file, with its weights inside.",
        "Данные тензора {tensor} лежат в другом файле (external data): сохраните модель одним "
        "файлом, с весами внутри.",
    ),
    "tensor_type": (
        "{tensor} has the type {dtype}, which is not supported: use float32, float16, an "
        "integer type or bool.",
        "Тип {dtype} у {tensor} не поддерживается: используйте float32, float16, целочисленный "
        "тип или bool.",
    ),
    "string": (
        "{tensor} holds strings, which are not supported: a model takes and returns numbers; "
        "turn text into numbers before the model.",
        "{tensor} содержит строки, а они не поддерживаются: модель принимает и возвращает числа; "
        "переводите текст в числа до модели.",
    ),
    "tensor_data": (
        "Tensor {tensor} stores {found} where its shape and type need {expected}: the file is "
        "damaged; export it again.",
        "В тензоре {tensor} записано {found}, а по форме и типу должно быть {expected}: файл "
        "повреждён; экспортируйте модель ещё раз.",
    ),
    "dimension": (
        "{tensor} has the dimension {size}: dimensions must be positive and known.",
        "У {tensor} размерность {size}: размерности должны быть положительными и известными.",
    ),
    "tensor_size": (
        "{tensor} would take {size} bytes, at most {limit} are allowed: make it smaller.",
        "{tensor} занимает {size} байт, а допускается не больше {limit}: уменьшите его.",
    ),
    "constant_size": (
        "Tensors computed from constants alone take more than {limit} bytes together: store the "
        "constants smaller or compute fewer of them.",
        "Тензоры, вычисляемые из одних констант, занимают вместе больше {limit} байт: уменьшите "
        "их или вычисляйте меньше.",
    ),
    "constant_work": (
        "Operators on constants alone take more than {limit} MACs when the model is loaded: "
        "compute these weights before the export.",
        "Операторы над одними константами требуют при загрузке модели больше {limit} MAC: "
        "вычислите эти веса до экспорта.",
    ),
    "work": (
        "The model takes {macs} MACs for one example, at most {limit} are allowed: make it "
        "smaller.",
        "На один пример модель тратит {macs} MAC, а допускается не больше {limit}: уменьшите её.",
    ),
    # Names and order.
    "duplicate": (
        "The name {name} is defined twice in the graph: every tensor must be made once; export "
        "the model again.",
        "Имя {name} определено в графе дважды: каждый тензор должен создаваться один раз; "
        "экспортируйте модель ещё раз.",
    ),
    "missing_input": (
        "{op} reads {name}, which nothing before it makes (a missing tensor or a cycle): nodes "
        "must be in the order in which they run; export the model again.",
        "{op} читает {name}, но до него этот тензор никто не создаёт (пропущенный тензор или "
        "цикл): узлы должны идти в порядке выполнения; экспортируйте модель ещё раз.",
    ),
    "missing_output": (
        "Nothing in the graph makes its output {name}: export the model again.",
        "Ничто в графе не создаёт его выход {name}: экспортируйте модель ещё раз.",
    ),
    # Operators.
    "custom_domain": (
        "Operator {op} belongs to the domain {domain}, and only standard ai.onnx operators are "
        "counted: export without custom or fused operators (and without ORT optimisation).",
        "Оператор {op} из домена {domain}, а считаются только стандартные операторы ai.onnx: "
        "экспортируйте без собственных и слитых операторов (и без оптимизации ORT).",
    ),
    "runtime_operator": (
        "Operator {op} belongs to ONNX Runtime's own domain {domain}, and only standard ai.onnx "
        "operators are counted: quantize with QuantFormat.QDQ, 4 and 16 bits from opset 21 on, and "
        "save no model that ONNX Runtime has optimised.",
        "Оператор {op} из домена {domain} самого ONNX Runtime, а считаются только стандартные "
        "операторы ai.onnx: квантизуйте в формате QuantFormat.QDQ, 4 и 16 бит — начиная с "
        "opset 21, и не сохраняйте модель, оптимизированную ONNX Runtime.",
    ),
    "operator_type": (
        "Operator {op} ({name}) of opset {opset} does not take {dtype}: 4-bit integers need "
        "DequantizeLinear of opset 21, 8-bit floats that of opset 19.",
        "Оператор {op} ({name}) из opset {opset} не принимает {dtype}: 4-битным целым нужен "
        "DequantizeLinear из opset 21, 8-битным float — из opset 19.",
    ),
    "unknown_operator": (
        "Operator {op} does not exist in opset {opset} of ai.onnx: use a standard operator.",
        "Оператора {op} нет в opset {opset} домена ai.onnx: используйте стандартный оператор.",
    ),
    "uncounted_operator": (
        "Operator {op} has no stated cost here, and nothing is counted as free by default: "
        "rewrite it with operators of the table of costs.",
        "Для оператора {op} стоимость не определена, а бесплатным по умолчанию ничто не "
        "считается: выразите его через операторы из таблицы стоимостей.",
    ),
    "random": (
        "Operator {op} is random, so two runs of the model would disagree: remove it or export "
        "the model in eval mode.",
        "Оператор {op} случаен, и два запуска модели дали бы разные ответы: уберите его или "
        "экспортируйте модель в режиме eval.",
    ),
    "control_flow": (
        "Operator {op} is control flow, so its work cannot be read from the graph: unroll it or "
        "replace it with Where.",
        "Оператор {op} управляет ходом вычислений, и объём работы по графу не определить: "
        "разверните цикл или замените ветвление на Where.",
    ),
    "sequence": (
        "Operator {op} works on sequences, optionals or maps: use plain tensors.",
        "Оператор {op} работает с последовательностями, optional или словарями: используйте "
        "обычные тензоры.",
    ),
    "string_operator": (
        "Operator {op} works on strings: turn text into numbers before the model.",
        "Оператор {op} работает со строками: переводите текст в числа до модели.",
    ),
    "data_dependent": (
        "The output size of operator {op} depends on the data, so its cost is not bounded: use "
        "masks or fixed sizes.",
        "Размер выхода оператора {op} зависит от данных, и стоимость не ограничена: используйте "
        "маски или фиксированные размеры.",
    ),
    "training_operator": (
        "Operator {op} belongs to training: export the model in eval mode, without its loss.",
        "Оператор {op} нужен только при обучении: экспортируйте модель в режиме eval, без "
        "функции потерь.",
    ),
    "invalid_node": (
        "Operator {op} ({name}) is not valid ONNX: {why}",
        "Оператор {op} ({name}) не соответствует ONNX: {why}",
    ),
    "attribute": (
        "Operator {op} has the attribute {attribute} = {value}, which is outside what is "
        "supported: correct it and export again.",
        "У оператора {op} атрибут {attribute} = {value}, такое значение не поддерживается: "
        "исправьте его и экспортируйте модель ещё раз.",
    ),
    "shapes": (
        "Operator {op} ({name}) gets shapes that do not fit together: {why}",
        "У оператора {op} ({name}) формы входов не согласованы: {why}",
    ),
    # Functions.
    "function_recursion": (
        "Function {name} of the model calls itself: recursive functions are not supported.",
        "Функция модели {name} вызывает сама себя: рекурсивные функции не поддерживаются.",
    ),
    "function": (
        "Function {name} of the model cannot be counted ({why}): export the model with its "
        "functions inlined (onnx.inliner.inline_local_functions).",
        "Функцию модели {name} нельзя посчитать ({why}): экспортируйте модель с подставленными "
        "функциями (onnx.inliner.inline_local_functions).",
    ),
    # Shapes.
    "input_type": (
        "Input {name} is not a tensor with a known shape: give the exporter an example input.",
        "Вход {name} не является тензором известной формы: передайте экспортёру пример входа.",
    ),
    "dynamic_dimension": (
        "Axis {axis} of input {name} has no fixed size ({size}): only the batch may be dynamic; "
        "export with this axis fixed.",
        "Ось {axis} входа {name} не имеет фиксированного размера ({size}): динамическим может "
        "быть только батч; зафиксируйте эту ось при экспорте.",
    ),
    "unknown_shape": (
        "The shape of {name}, made by {op}, cannot be known before the model runs: use fixed "
        "sizes instead of sizes computed from data.",
        "Форму тензора {name}, который создаёт {op}, нельзя узнать до запуска модели: задайте "
        "размеры явно, а не вычисляйте их из данных.",
    ),
    "batch_growth": (
        "The model takes {one} MACs for one example but {many} for a batch of {batch}: the cost "
        "of an example must not depend on the batch it comes in.",
        "На один пример модель тратит {one} MAC, а на батч из {batch} — {many}: стоимость примера "
        "не должна зависеть от размера батча.",
    ),
}
