"""Calls at the edge of what a function takes: tables of pandas, `out=` of another dtype, labels out of range, names."""

import pytest

import alight
from tests.semantics.oracle import attempt, same

CASES = """
torch.tensor(pd.DataFrame({'a':[1,2],'b':[3,4]}))
torch.tensor(pd.Series([1,2]))
torch.tensor(pd.DataFrame({'a':[1.5,2]}))
torch.tensor(pd.DataFrame({'a':[1.5,2]}).values)
torch.as_tensor(pd.DataFrame({'a':[1.5,2]}))
torch.Tensor(pd.DataFrame({'a':[1.5,2]}))
torch.tensor(pd.Series([1.5,2.5]),dtype=torch.float32)
torch.randint_like(torch.ones(3),5).shape
torch.randint_like(torch.ones(3),high=5).shape
torch.randint_like(torch.ones(3),low=2,high=5).shape
torch.randint_like(torch.ones(3),2,5,dtype=torch.int64).dtype
torch.randint_like(torch.ones(3),5,dtype=torch.int64,device='cpu',requires_grad=False).dtype
torch.randint_like(input=torch.ones(3),high=5).shape
torch.randint_like(torch.ones(3),5,memory_format=torch.preserve_format,layout=torch.strided,pin_memory=False).dtype
torch.randint_like(torch.ones(3))
torch.randint_like(torch.ones(3),5,2)
torch.cumsum(torch.arange(4),0,out=torch.empty(4,dtype=torch.int32))
torch.cumprod(torch.arange(4)+1,0,out=torch.empty(4,dtype=torch.int32))
torch.cumsum(torch.arange(4,dtype=torch.int32),0,out=torch.empty(4,dtype=torch.int64))
torch.cumsum(torch.arange(4,dtype=torch.int32),0,out=torch.empty(4,dtype=torch.int32))
torch.cumprod(torch.arange(4,dtype=torch.int32),0,out=torch.empty(4,dtype=torch.float32))
torch.cumsum(torch.arange(4.),0,out=torch.empty(4,dtype=torch.int64))
torch.cumsum(torch.arange(4.)/3,0,out=torch.empty(4,dtype=torch.int64))
torch.cumprod(torch.arange(4.),0,dtype=torch.int64,out=torch.empty(4,dtype=torch.int32))
torch.cumsum(torch.arange(4.),0,dtype=torch.float64,out=torch.empty(4))
torch.cumsum(torch.arange(4.),0,out=torch.empty(4,dtype=torch.float64))
torch.cumsum(torch.tensor([True,True]),0,out=torch.empty(2,dtype=torch.int32))
torch.arange(4,dtype=torch.int32).cumsum_(0)
torch.nn.functional.cross_entropy(torch.zeros(3,2),torch.tensor([0,1,5]))
torch.nn.functional.nll_loss(torch.zeros(3,2),torch.tensor([0,1,5]))
torch.nn.functional.cross_entropy(torch.zeros(2,2,2),torch.tensor([[0,1],[5,0]]))
torch.nn.functional.cross_entropy(torch.zeros(2),torch.tensor(5))
"""


@pytest.mark.parametrize("case", CASES.strip().split("\n"))
def test_case(case):
    pandas = pytest.importorskip("pandas") if "pd." in case else None

    def program(torch):
        def call():
            made = eval(case, {"torch": torch, "pd": pandas})
            if isinstance(made, torch.Tensor):
                made.tolist()  # what depends on values shows when they are computed
            return made

        return attempt(call)

    same(program)


@pytest.mark.parametrize(
    "labels, shape, place",
    [([0, 1, 5], (3, 2), "[2]"), ([[0, 1], [5, 0]], (2, 2, 2), "[1, 0]")],
)
def test_a_label_is_named_by_its_place(labels, shape, place):
    loss = alight.nn.functional.cross_entropy
    with pytest.raises(IndexError, match="target 5 at position \\" + place[:-1]) as caught:
        loss(alight.zeros(*shape), alight.tensor(labels)).item()
    assert f"at position {place}," in str(caught.value)


@pytest.mark.parametrize("saved, wanted", [("module.", ""), ("", "0.")])
def test_a_prefix_is_recognised(saved, wanted):
    layer = alight.nn.Linear(2, 2)
    net = alight.nn.Sequential(layer) if wanted else layer
    state = {saved + name: value for name, value in layer.state_dict().items()}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    last = str(caught.value).split("\n")[-1]
    renamed = eval(last.split("try ")[1].rsplit(": the names", 1)[0], {"state_dict": state})
    net.load_state_dict(renamed)
