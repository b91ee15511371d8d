"""The ground: compilation, random numbers, parameters, results, runs."""
