"""Answers with text."""


def solve(x):
    return ["the spread"]
