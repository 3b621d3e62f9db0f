EPS = 1e-8


def _same_length(x, steps):
    if x.size(-1) == steps:
        return x
    return F.adaptive_avg_pool1d(x, steps)


def soft_loss(student, teacher, temperature):
    t = temperature
    target = torch.exp(teacher / t - torch.logsumexp(teacher / t, dim=-1, keepdim=True))
    logq = student / t - torch.logsumexp(student / t, dim=-1, keepdim=True)
    kl = target * (torch.log(target + EPS) - logq)
    return t * t * kl.sum(-1).mean()


def attention_loss(student, teacher):
    steps = min(student.size(1), teacher.size(1))
    a, b = _same_length(student[:, None], steps)[:, 0], _same_length(teacher[:, None], steps)[:, 0]
    a = a / (a.sum(1, keepdim=True) + EPS)
    b = b / (b.sum(1, keepdim=True) + EPS)
    return (b * ((b + EPS).log() - (a + EPS).log())).sum(1).mean()


def states_loss(student, teacher):
    steps = min(student.size(1), teacher.size(1))
    a = _same_length(student.permute(0, 2, 1), steps)
    b = _same_length(teacher.permute(0, 2, 1), steps)
    cos = torch.cosine_similarity(a, b, dim=1)
    return 1 - cos.mean()


def augment(features, generator):
    x = features.clone()
    n, bands, frames = x.shape
    floor = x.amin(dim=(1, 2), keepdim=True)
    for i in range(n):
        start = int(torch.randint(0, frames - 12, (1,), generator=generator))
        x[i, :, start : start + 8] = floor[i]
        low = int(torch.randint(0, bands - 6, (1,), generator=generator))
        x[i, low : low + 4] = floor[i]
    noise = torch.randn(x.shape, generator=generator) - 3
    return torch.logaddexp(x, floor + noise)
