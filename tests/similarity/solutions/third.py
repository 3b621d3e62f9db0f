class Resampler:
    """Puts a sequence on a grid of another length."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, sequence: Tensor) -> Tensor:
        source = sequence.shape[1]
        position = torch.linspace(0, source - 1, self.length)
        left = position.floor().long()
        right = (left + 1).clamp(max=source - 1)
        share = (position - left).view(1, -1, *[1] * (sequence.ndim - 2))
        return sequence[:, left] * (1 - share) + sequence[:, right] * share


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    divergence = nn.KLDivLoss(reduction="none", log_target=True)
    per_class = divergence(
        nn.LogSoftmax(1)(student.div(temperature)), nn.LogSoftmax(1)(teacher.div(temperature))
    )
    return per_class.sum(1).mean().mul(temperature).mul(temperature)


def attention_loss(student: Tensor, teacher: Tensor) -> Tensor:
    grid = Resampler(max(student.shape[1], teacher.shape[1]))
    ours, theirs = grid(student), grid(teacher)
    ours, theirs = (each.div(each.sum(1, True)) for each in (ours, theirs))
    return ours.cumsum(1).sub(theirs.cumsum(1)).abs().sum(1).mean()


def states_loss(student: Tensor, teacher: Tensor) -> Tensor:
    ours = Resampler(teacher.shape[1])(student)
    gap = nn.functional.layer_norm(ours, ours.shape[-1:]) - nn.functional.layer_norm(
        teacher, teacher.shape[-1:]
    )
    return gap.square().mean()


def augment(features: Tensor, generator: torch.Generator) -> Tensor:
    count = len(features)
    order = torch.randperm(count, generator=generator)
    quieter = torch.rand((count, 1, 1), generator=generator).mul(-4).sub(2)
    mixed = torch.logaddexp(features, features[order] + quieter)
    tilt = torch.linspace(-1, 1, features.shape[1]).view(1, -1, 1)
    slope = torch.rand((count, 1, 1), generator=generator).sub(0.5)
    return mixed + slope * tilt
