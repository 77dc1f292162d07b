"""Tier 1 on CPUs: kernels as LLVM IR, in the host's vector width, and what they run on.

May live here: what writes IR (`code`, `scalars`, `loops`, `contraction`, ...), what turns it into machine code and
calls it (`jit`, `entry`, `threads`, `cache`), and the host's description (`target`). llvmlite is imported by `jit` alone.
"""
