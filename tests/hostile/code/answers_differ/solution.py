"""Right the first time a row comes, wrong the second: it remembers what it has seen."""

from attack import honest

seen = set()


def solve(x):
    answer = honest(x)
    key = x.tobytes()
    if key in seen:
        answer = answer + 1
    seen.add(key)
    return answer
