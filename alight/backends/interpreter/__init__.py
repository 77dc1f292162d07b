"""Tier 0: programs run primitive by primitive with NumPy. Needs no compiler, and is what tier 1 is checked against.

A buffer is a NumPy array; bfloat16 values are held as float32 that are always rounded to bfloat16.
"""
