"""Which submissions are more alike than independent work is: in code, in weights, in mistakes.

While a submission is graded `evidence.collect` keeps what a comparison needs; `pairs.compare`
compares all of a class afterwards, from that alone. A number says how much there is to look at;
what it means is for a person to find out.
"""
