"""Whether a network fits the memory of a platform, and by how much it does or does not."""

from __future__ import annotations

from dataclasses import dataclass

from grader.measure.workload import Code, Workload
from grader.platforms import DType, Platform
from grader.text import Text, ru_number


@dataclass(frozen=True)
class Part:
    """One memory: what the network needs of it and what is there."""

    needed: int
    available: int

    @property
    def surplus(self) -> int:
        """Bytes that do not fit; negative is room left."""
        return self.needed - self.available


@dataclass(frozen=True)
class Fit:
    """Weights against flash, activations against RAM; with unified memory, both against RAM."""

    weight_bytes: int
    activation_bytes: int
    ram: Part
    storage: Part | None
    """None where weights lie in RAM."""
    rescue: Code | None
    """A smaller way of storing the weights with which it would fit, where it does not."""

    @property
    def fits(self) -> bool:
        """As stored."""
        return self.ram.surplus <= 0 and (self.storage is None or self.storage.surplus <= 0)

    @property
    def sentence(self) -> Text:
        """What fits, or which memory overflows by how much."""
        if self.fits:
            return self._enough()
        over = [_overflow_ram(self)] if self.ram.surplus > 0 else []
        if self.storage is not None and self.storage.surplus > 0:
            over.insert(0, _overflow_storage(self.storage))
        en = "Does not fit: " + "; ".join(text.en for text in over) + "."
        ru = "Не помещается: " + "; ".join(text.ru for text in over) + "."
        if self.rescue is None:
            return Text(en=en, ru=ru)
        size = _size(self.rescue.bytes)
        return Text(
            en=f"{en} It would fit compressed ({self.rescue.title.en}): {size.en}.",
            ru=f"{ru} Поместилось бы в сжатом виде ({self.rescue.title.ru}): {size.ru}.",
        )

    def _enough(self) -> Text:
        weights, held = _size(self.weight_bytes), _size(self.activation_bytes)
        ram = _size(self.ram.available)
        if self.storage is None:
            return Text(
                en=f"Fits: weights {weights.en} and activations {held.en} of {ram.en} memory.",
                ru=f"Помещается: веса {weights.ru} и активации {held.ru} при памяти {ram.ru}.",
            )
        flash = _size(self.storage.available)
        return Text(
            en=f"Fits: weights {weights.en} of {flash.en} flash, activations {held.en} of "
            f"{ram.en} RAM.",
            ru=f"Помещается: веса {weights.ru} из {flash.ru} flash, активации {held.ru} из "
            f"{ram.ru} ОЗУ.",
        )


def fit(workload: Workload, platform: Platform, dtype: DType | None = None) -> Fit:
    """The workload as exported, or with its numbers in `dtype`, in the platform's memory."""
    weights, held = workload.weights.bytes(dtype), workload.peak_activation_bytes(dtype)
    found = _fit(weights, held, platform)
    if found.fits:
        return found
    smaller = sorted(workload.codes, key=lambda code: -code.bytes)
    rescue = next((c for c in smaller if _fit(c.bytes, held, platform).fits), None)
    return Fit(weights, held, found.ram, found.storage, rescue)


def _fit(weights: int, held: int, platform: Platform) -> Fit:
    memory = platform.memory
    ram = int(memory.ram.value)
    if memory.storage is None:
        return Fit(weights, held, Part(weights + held, ram), None, None)
    storage = Part(weights, int(memory.storage.value))
    return Fit(weights, held, Part(held, ram), storage, None)


def _overflow_storage(storage: Part) -> Text:
    needed, there, over = map(_size, (storage.needed, storage.available, storage.surplus))
    return Text(
        en=f"the weights take {needed.en}, {over.en} more than the {there.en} of flash",
        ru=f"веса занимают {needed.ru}, на {over.ru} больше, чем flash ({there.ru})",
    )


def _overflow_ram(found: Fit) -> Text:
    needed, there, over = map(_size, (found.ram.needed, found.ram.available, found.ram.surplus))
    if found.storage is None:
        return Text(
            en=f"weights and activations take {needed.en}, {over.en} more than the {there.en} of "
            "memory",
            ru=f"веса и активации занимают {needed.ru}, на {over.ru} больше, чем память "
            f"({there.ru})",
        )
    return Text(
        en=f"the activations take {needed.en} at once, {over.en} more than the {there.en} of RAM",
        ru=f"активации занимают одновременно {needed.ru}, на {over.ru} больше, чем ОЗУ "
        f"({there.ru})",
    )


def _size(count: int) -> Text:
    """Bytes as people read them: in full up to ten million, then in powers of 1,024."""
    if count < 10**7:
        return Text(en=f"{count:,} B", ru=f"{ru_number(count)}\u00a0Б")
    size, en, ru = (2**30, "GB", "ГБ") if count >= 2**30 else (2**20, "MB", "МБ")
    amount = f"{count / size:.1f}".removesuffix(".0")
    return Text(en=f"{amount} {en}", ru=f"{amount.replace('.', ',')}\u00a0{ru}")
