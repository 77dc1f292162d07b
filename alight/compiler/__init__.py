"""Tier 1, still device-neutral: from a program to kernels, their order, their layouts and their memory.

May live here: passes (pure functions, program or kernels in, the same out) and the list of them (`pipeline`). A pass
takes the target's description as an argument; what writes machine code lives under `backends/`.
"""
