"""Pairs of submissions that are more alike than independent work: in code, weights and mistakes.

During grading `evidence.collect` keeps what a comparison needs. Afterwards `pairs.compare` compares
a whole class, from that alone. A high number is a reason to look at a pair; a person decides what
it means.
"""
