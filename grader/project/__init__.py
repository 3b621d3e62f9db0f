"""What a student's project remembers between checks, in the folder `.grader` of its own.

    history.jsonl   what every version of the work came to
    hints.json      how many hints of each check have been shown

Nothing in it is part of a submission, and all of it may be deleted.
"""
