"""Gradebooks: what a batch's folder holds, a row a student, in the files that people and LMSs read.

Every cell is explained: `book.Cell.why` says where its value comes from.
"""
