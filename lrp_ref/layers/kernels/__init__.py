"""Functions of kernels: sums over features, where each has a term, and machines of other kernels, at their roots."""
