"""Does not parse: the student's own mistake, told in one sentence."""

def solve(x:
    return x
