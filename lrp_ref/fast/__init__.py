"""Kernels and work memory, which know no layer and no rule: convolution, windows, quotients, blocks, buffers, threads.

Machinery: it serves this package, not its users, and may change from one version to the next.
"""
