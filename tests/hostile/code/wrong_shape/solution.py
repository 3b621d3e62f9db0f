"""Answers with two numbers where one is asked for."""


def solve(x):
    return x[:2]
