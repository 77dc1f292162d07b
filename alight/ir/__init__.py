"""What a program is: types, values, nodes, programs, and the form of a primitive.

Knows no tensors, no backends and no NumPy. Everything above builds programs; everything below runs them.
"""
