"""Random programs: lists of small numbers that mean the same under alight and under PyTorch.

An instruction is (kind, a, b, c): its kind picks an action, the numbers pick operands among the tensors made so far,
dimensions and constants. Whatever happens, a value or an error, is written down; both libraries must write the same.
"""

from __future__ import annotations

import math

SHAPES = ((), (3,), (2, 3), (3, 2), (1, 3), (2, 1), (2, 2, 3), (4,), (0, 2))
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


class Machine:
    """Runs instructions with one library."""

    def __init__(self, torch, gradients):
        self.torch, self.gradients = torch, gradients
        self.tensors, self.leaves, self.log = [], [], []

    def make(self, shape, dtype, seed):
        torch = self.torch
        count = math.prod(shape)
        values = [(seed * 7 + 5 * i) % 11 - 4 for i in range(count)]
        of = torch.float64 if self.gradients else getattr(torch, dtype)
        if dtype == "uint8" and not self.gradients:
            values = [abs(value) for value in values]
        x = torch.tensor(values, dtype=torch.float64).to(of).reshape(shape)
        if self.gradients:
            x = x / 4 + 0.3
            if seed % 3:
                x.requires_grad_()
                self.leaves.append(x)
        return x

    def pick(self, number):
        return self.tensors[number % len(self.tensors)]

    def run(self, program):
        for i in range(2):
            self.tensors.append(self.make(SHAPES[2 + i], DTYPES[0], i + 1))
        for kind, a, b, c in program:
            action = ACTIONS[kind % len(ACTIONS)]
            try:
                made = action(self, a, b, c)
            except Exception as error:
                text = str(error).split("\n")[0]
                if (
                    action is product_of_matrices
                ):  # which of several faults is named depends on the kernel chosen
                    text = ""
                self.log.append((action.__name__, type(error).__name__, text))
                continue
            if made is not None and made.numel() <= 64 and len(self.tensors) < 24:
                self.tensors.append(made)
            self.log.append((action.__name__,))
        if self.gradients:
            self.log.append(self.backward())
        values = [self.seen(x) for x in self.tensors]
        grads = [None if x.grad is None else self.seen(x.grad) for x in self.leaves]
        return self.log, values, grads

    def seen(self, x):
        pairs = [] if x.numel() == 0 else zip(x.stride(), x.shape, strict=True)
        strides = tuple(stride for stride, size in pairs if size != 1)
        try:
            is_leaf = x.is_leaf
        except RuntimeError as error:  # one of several views, written another way
            is_leaf = str(error).split("\n")[0]
        return str(x.dtype), tuple(x.shape), strides, x.requires_grad, is_leaf, x.tolist()

    def backward(self):
        try:
            outs = [x.sum() for x in self.tensors if x.requires_grad]
            if outs:
                self.torch.stack(outs).sum().backward()
        except RuntimeError as error:
            return str(error).split(":")[0].split("(")[0]
        return "done"


def settled(x):
    """A tensor whose elements have been computed: indices out of range show when the elements do."""
    x.tolist()
    return x


# -- actions: what is made, or None ------------------------------------------------------------------------------------


def new(m, a, b, c):
    return m.make(SHAPES[a % len(SHAPES)], DTYPES[b % len(DTYPES)], c)


def slice_first(m, a, b, c):
    return m.pick(a)[b % 3 : (b % 3) + 1 + c % 3]


def slice_step(m, a, b, c):
    return m.pick(a)[..., b % 2 :: 1 + c % 2]


def select(m, a, b, c):
    x = m.pick(a)
    return x.select(b % max(x.dim(), 1), c % 3)


def negative_index(m, a, b, c):
    return m.pick(a)[-1 - b % 2]


def transpose(m, a, b, c):
    x = m.pick(a)
    return x.transpose(b % max(x.dim(), 1), c % max(x.dim(), 1))


def reshape(m, a, b, c):
    x = m.pick(a)
    return x.reshape(((-1,), (x.numel(), 1), (1, -1), (2, -1))[b % 4])


def view(m, a, b, c):
    return m.pick(a).view(-1)


def unsqueeze(m, a, b, c):
    x = m.pick(a)
    return x.unsqueeze(b % (x.dim() + 1))


def squeeze(m, a, b, c):
    return m.pick(a).squeeze()


def expand(m, a, b, c):
    x = m.pick(a)
    return x.expand(2, *x.shape)


def diagonal(m, a, b, c):
    return m.pick(a).diagonal()


def unbind(m, a, b, c):
    return m.pick(a).unbind()[-1]


def new_axis(m, a, b, c):
    return m.pick(a)[:, None]


def detach(m, a, b, c):
    return m.pick(a).detach()


def clone(m, a, b, c):
    return m.pick(a).clone()


def add(m, a, b, c):
    return m.pick(a) + m.pick(b)


def multiply(m, a, b, c):
    return m.pick(a) * m.pick(b)


def subtract_number(m, a, b, c):
    return m.pick(a) - (c % 5) / 2


def number_times(m, a, b, c):
    return (c % 7 - 3) * m.pick(a)


def divide(m, a, b, c):
    return m.pick(a) / 2


def compare(m, a, b, c):
    return m.pick(a) > m.pick(b)


def maximum(m, a, b, c):
    return m.torch.maximum(m.pick(a), m.pick(b))


def sine(m, a, b, c):
    return m.pick(a).sin()


def total(m, a, b, c):
    return m.pick(a).sum()


def sum_over(m, a, b, c):
    x = m.pick(a)
    return x.sum(b % max(x.dim(), 1), keepdim=bool(c % 2))


def product_of_matrices(m, a, b, c):
    x = m.pick(a)  # of what PyTorch copies into one matrix, it keeps the copy
    return (x.contiguous() if x.dim() > 2 else x) @ m.pick(b)


def join(m, a, b, c):
    return m.torch.cat([m.pick(a), m.pick(b)], dim=c % 2)


def choose(m, a, b, c):
    x = m.pick(a)
    return m.torch.where(x > 0, x, m.pick(b))


def take_rows(m, a, b, c):
    found = settled(m.pick(a)[[b % 2, c % 2, 0]])
    return found.clone(memory_format=m.torch.contiguous_format)


def take_mask(m, a, b, c):
    x = m.pick(a)
    return x[x > 0]


def convert(m, a, b, c):
    if m.gradients:
        return m.pick(a).double()
    return m.pick(a).to(getattr(m.torch, DTYPES[b % len(DTYPES)]))


def add_in_place(m, a, b, c):
    m.pick(a).add_(m.pick(b).clone())  # overlapping operands: the result depends on PyTorch's order


def multiply_in_place(m, a, b, c):
    m.pick(a).mul_(c % 3)


def copy_in_place(m, a, b, c):
    m.pick(a).copy_(m.pick(b).clone())


def zero_in_place(m, a, b, c):
    m.pick(a).zero_()


def write_first(m, a, b, c):
    m.pick(a)[b % 3] = c % 9


def write_slice(m, a, b, c):
    m.pick(a)[..., 1:] = m.pick(b).clone()


def write_mask(m, a, b, c):
    x = m.pick(a)
    x[x > 1] = c % 5


def write_rows(m, a, b, c):
    x = m.pick(a)
    x[[0, x.shape[0] - 1]] = c % 5  # in range: PyTorch writes what it can before it raises
    settled(x)


def augmented(m, a, b, c):
    m.pick(a)[0] += c % 4


def in_no_grad(m, a, b, c):
    with m.torch.no_grad():
        m.pick(a).add_(c % 3)


def through_data(m, a, b, c):
    return m.pick(a).data.mul_(c % 3)


def look(m, a, b, c):
    m.log.append(m.pick(a).tolist())


ACTIONS = [
    new, slice_first, slice_step, select, negative_index, transpose, reshape, view, unsqueeze, squeeze, expand, diagonal,
    unbind, new_axis, detach, clone, add, multiply, subtract_number, number_times, divide, compare, maximum, sine, total,
    sum_over, product_of_matrices, join, choose, take_rows, take_mask, convert, add_in_place, multiply_in_place,
    copy_in_place, zero_in_place, write_first, write_slice, write_mask, write_rows, augmented, in_no_grad, through_data,
    look,
]  # fmt: skip
