"""Kernels and work memory, which know no layer and no rule: convolution, windows, blocks, buffers, threads."""
