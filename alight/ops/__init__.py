"""PyTorch's functions and methods: one function each, filed by the sections of PyTorch's own documentation.

The body of a public operation is its lowering to primitives; it runs only when a path is new, so it is written for
the reader. `alight.ops.operation` makes the calling side of it.
"""
