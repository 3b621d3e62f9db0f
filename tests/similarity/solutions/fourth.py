# идея: считать всё в вероятностях, без kl_div
def soften(z, T):
    z = z / T
    z = z - z.max(dim=1, keepdim=True).values
    e = z.exp()
    return e / e.sum(dim=1, keepdim=True)


def soft_loss(student, teacher, temperature):
    p_teacher = soften(teacher, temperature)
    p_student = soften(student, temperature)
    cross_entropy = -(p_teacher * p_student.clamp_min(1e-7).log()).sum(dim=1)
    entropy = -(p_teacher * p_teacher.clamp_min(1e-7).log()).sum(dim=1)
    return (cross_entropy - entropy).mean() * temperature ** 2


def resize(seq, n):
    # matrix that averages neighbouring steps
    m = seq.shape[1]
    w = torch.zeros(n, m)
    for i in range(n):
        a, b = i * m / n, (i + 1) * m / n
        for j in range(m):
            w[i, j] = max(0.0, min(b, j + 1) - max(a, j)) / (b - a)
    return torch.einsum("nm,bm...->bn...", w, seq)


def attention_loss(student, teacher):
    s = resize(student, teacher.shape[1])
    s = s / s.sum(dim=1, keepdim=True)
    return torch.norm(s - teacher, dim=1).mean()


def states_loss(student, teacher):
    s = resize(student, teacher.shape[1])
    diff = s - teacher
    return torch.mean(diff * diff)


def augment(features, generator):
    out = []
    for clip in features:
        k = int(torch.randint(0, 16, (), generator=generator)) - 8
        clip = torch.roll(clip, k, 1)
        if torch.rand((), generator=generator) < 0.5:
            factor = 0.9 + 0.2 * float(torch.rand((), generator=generator))
            idx = (torch.arange(40) * factor).long().clamp(0, 39)
            clip = clip[idx]
        out.append(clip + torch.randn((), generator=generator))
    return torch.stack(out)
