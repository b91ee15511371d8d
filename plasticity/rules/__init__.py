"""The mathematics of local learning: scalar functions and their parameters, one family a file."""
