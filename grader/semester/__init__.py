"""A course through a semester: its students, what they handed in and when, and deductions for
lateness. Nothing here measures; deductions are added to grades that exist."""
