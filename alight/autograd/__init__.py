"""torch.autograd: backward, grad, hooks, Function, and the modes that switch recording off.

Everything here stands on `transforms.reverse`: a backward pass is one more recorded step, or a few where Python code
(hooks, `Function.backward`) has to run in between.
"""
