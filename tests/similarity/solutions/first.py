def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL divergence of the softened answers."""
    log_p = F.log_softmax(student / temperature, dim=1)
    q = F.softmax(teacher / temperature, dim=1)
    return F.kl_div(log_p, q, reduction="batchmean") * temperature**2


def attention_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the maps at the teacher's resolution."""
    wider = F.interpolate(student.unsqueeze(1), size=teacher.shape[1], mode="linear").squeeze(1)
    wider = wider / wider.sum(dim=1, keepdim=True)
    return F.mse_loss(wider, teacher)


def states_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error over the steps."""
    moved = F.interpolate(student.transpose(1, 2), size=teacher.shape[1], mode="linear")
    return F.mse_loss(moved.transpose(1, 2), teacher)


def augment(features: Tensor, generator: torch.Generator) -> Tensor:
    batch = features.shape[0]
    gain = torch.randn(batch, 1, 1, generator=generator) * 0.5
    shifts = torch.randint(-10, 11, (batch,), generator=generator)
    rolled = torch.stack([torch.roll(f, int(s), dims=1) for f, s in zip(features, shifts)])
    return rolled + gain
