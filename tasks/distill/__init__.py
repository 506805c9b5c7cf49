"""Stage distill: the student learns from the teacher."""
