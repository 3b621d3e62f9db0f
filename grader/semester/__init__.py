"""A course through a semester: who is in it, who handed in what and when, and what lateness costs.

Nothing here measures. What is taken off is worked out from a course's settings and the times of
handing in, and is put into grades that exist.
"""
