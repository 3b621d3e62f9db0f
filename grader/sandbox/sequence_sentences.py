"""Sentences about a model that reads token ids and does not run as it has to."""

from __future__ import annotations

from grader.text import Text, ru_number


def of(name: str, text: Text) -> Text:
    """`text`, said of the model `name`."""
    return Text(en=f"{name}.onnx: {text.en}", ru=f"{name}.onnx: {text.ru}")


def went_away() -> Text:
    return Text(
        en="The model ended without a word; export it again.",
        ru="Модель завершилась без сообщения; экспортируйте её заново.",
    )


def no_kernel(name: str, op: str, version: int) -> Text:
    return Text(
        en=f"{name}.onnx: ONNX Runtime has no kernel for {op} (opset {version}) on these types; "
        "4-bit weights run behind a DequantizeLinear to float32 of opset 21, otherwise store int8.",
        ru=f"{name}.onnx: в ONNX Runtime нет ядра {op} (opset {version}) для таких типов; "
        "4-битные веса работают через DequantizeLinear в float32 из opset 21, иначе храните int8.",
    )


def wrong_tokenizer(name: str, index: int, rows: int) -> Text:
    return Text(
        en=f"{name}.onnx: the tokenizer does not match the model: it gives the id {index:,}, and "
        f"the embedding has {rows:,} rows; submit the tokenizer.json that the model was trained "
        "with.",
        ru=f"{name}.onnx: токенизатор не подходит к модели: он выдаёт номер {ru_number(index)}, а "
        f"в таблице эмбеддингов {ru_number(rows)} строк; сдайте тот tokenizer.json, с которым "
        "модель обучалась.",
    )


def too_long(name: str, length: int, most: int | None) -> Text:
    takes_en = f" (it takes {most:,})" if most else ""
    takes_ru = f" (её предел — {ru_number(most)})" if most else ""
    return Text(
        en=f"{name}.onnx fails on a post of {length:,} tokens{takes_en} and runs on shorter ones; "
        "set the truncation in tokenizer.json (enable_truncation) to what the model takes.",
        ru=f"{name}.onnx падает на посте из {ru_number(length)} токенов{takes_ru}, а на более "
        "коротких работает; задайте в tokenizer.json усечение (enable_truncation) под длину, "
        "которую принимает модель.",
    )


def fixed_batch(name: str) -> Text:
    return Text(
        en=f"{name}.onnx runs on one post but not on two at once; export it with a dynamic batch "
        "and length, and reshape with -1 where the batch is.",
        ru=f"{name}.onnx работает с одним постом, но не с двумя сразу; экспортируйте модель с "
        "динамическими размером батча и длиной, а в reshape на месте батча пишите -1.",
    )


def not_finite(name: str, bad: int, total: int) -> Text:
    return Text(
        en=f"{name}.onnx: expected finite logits, found NaN or infinity on {bad:,} of {total:,} "
        "posts; look for a quantisation scale of 0 (a row of zeros), a mask of -inf over a whole "
        "row, or an overflow in float16.",
        ru=f"{name}.onnx: ожидались конечные логиты, но на {ru_number(bad)} постах из "
        f"{ru_number(total)} получены NaN или бесконечность; ищите нулевой масштаб квантизации "
        "(строка из нулей), маску -inf на всю строку или переполнение float16.",
    )


def padding_matters(name: str, effect: float, allowed: float) -> Text:
    return Text(
        en=f"{name}.onnx: padding a post changes its logits by {effect:.2g} of their standard "
        f"deviation, allowed is {allowed:g}; take the input attention_mask and leave padded places "
        "out of attention, convolution and pooling.",
        ru=f"{name}.onnx: от дополнения поста логиты меняются на {effect:.2g} их стандартного "
        f"отклонения, допустимо {allowed:g}; сделайте вход attention_mask и исключите "
        "дополненные места из внимания, свёрток и усреднения.",
    )
