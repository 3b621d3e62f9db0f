"""What a lesson is: its specification, its autograder's contract, and how a grade is scored."""
