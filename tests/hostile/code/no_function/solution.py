"""Has no solve(): said in one sentence."""


def resolve(x):
    return x
