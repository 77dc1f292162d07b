"""What SummaryWriter writes: the events of PyTorch's own, read back with TensorBoard's reader."""

import struct

import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

import alight
from alight.utils.tensorboard import SummaryWriter

# Call, and the event after its time, as PyTorch 2.13 and tensorboard 2.21 write it.
EVENTS = [
    ('w.add_scalar("a b/x", torch.tensor(0.5), 3)', "10032a0e0a0c0a056120622f78150000003f"),
    (
        'w.add_scalar("x", 0.25, 4, new_style=True)',
        "10042a1c0a1a0a0178420808012a040000803e4a0b0a090a077363616c617273",
    ),
    (
        'w.add_scalar("x", 0.25, new_style=True, double_precision=True)',
        "2a200a1e0a0178420c08023208000000000000d03f4a0b0a090a077363616c617273",
    ),
    (
        'w.add_histogram("h", torch.tensor([-1e-12, 0.0, 1e-12, 2e-12]), 1)',
        "10012aea010ae7010a01682ae1010900000080999771bd11000000809997813d19000000000000104021000000809997813d2900f698e2a3031d3b325811ea2d81999771bd000000000000000011ea2d819997713d7a81b2a7f559733d3a5b44055b49753d2731cb854a6a773d781cf95fb8c1793deb38c59c17557c3d03250cc6662a7f3d5c14edec1e24813dff2f6bd1eeda823d3a580000000000000000000000000000f03f00000000000000400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000f03f",
    ),
    (
        'w.add_histogram("h", torch.arange(6.0), bins=[-0.5, 0.0, 2.0, 3.0])',
        "2a5f0a5d0a01682a58110000000000001440190000000000001840210000000000002e40290000000000804b4032180000000000000000000000000000004000000000000008403a18000000000000000000000000000000400000000000000040",
    ),
    (
        'w.add_histogram("h", torch.zeros(3), bins=2)',
        "2a340a320a01682a2d19000000000000084032100000000000000000000000000000e03f3a1000000000000000000000000000000840",
    ),
    (
        'w.add_histogram_raw("r", 0, 4, 3, 6, 14, [2.0, 4.0], [1, 2])',
        "2a4f0a4d0a01722a48110000000000001040190000000000000840210000000000001840290000000000002c403210000000000000004000000000000010403a10000000000000f03f0000000000000040",
    ),
    (
        'w.add_text("t", "hello", 300)',
        "10ac022a2d0a2b0a0e742f746578745f73756d6d617279420f0807120412020801420568656c6c6f4a080a060a0474657874",
    ),
]


def events(folder):
    """The events of the files in a folder, without their times."""
    found = []
    for path in sorted(folder.rglob("events*")):
        for content in RawEventFileLoader(str(path)).Load():
            assert content[0] == 9 and struct.unpack("<d", content[1:9])[0] > 1.7e9
            found.append(content[9:])
    return found


@pytest.mark.parametrize(("call", "expected"), EVENTS, ids=[call for call, _ in EVENTS])
def test_events_are_those_of_tensorboard(call, expected, tmp_path):
    with SummaryWriter(tmp_path) as w:
        eval(call, {"w": w, "torch": alight})
    version, *found = events(tmp_path)
    assert version.startswith(b"\x1a\x0dbrain.Event:2")
    assert [one.hex() for one in found] == [expected]


def test_pictures_and_sounds_hold_their_files(tmp_path):
    with SummaryWriter(tmp_path) as w:
        w.add_image("i", alight.rand(3, 4, 5))
        w.add_image("g", alight.rand(4, 5), dataformats="HW")
        w.add_images("n", alight.rand(2, 3, 4, 5))
        w.add_audio("s", alight.sin(alight.arange(100.0)))
        w.add_graph(alight.nn.Linear(2, 1))
    _, *pictures, sound, graph = events(tmp_path)
    sizes = [struct.unpack(">II", one[(at := one.index(b"IHDR") + 4) : at + 8]) for one in pictures]
    assert sizes == [(5, 4), (5, 4), (10, 4)]
    assert b"RIFF" in sound and b"audio/wav" in sound
    assert b"Linear(in_features=2" in graph


def test_a_row_of_hyperparameters_is_a_run_of_its_own(tmp_path):
    with SummaryWriter(tmp_path) as w:
        w.add_hparams({"lr": 0.5}, {"acc": 0.25}, run_name="first")
    assert [one.hex() for one in events(tmp_path / "first")[1:]] == [
        "2a3a0a380a145f68706172616d735f2f6578706572696d656e744a200a1e0a0768706172616d731213121122060a026c7220032a070a051203616363",
        "2a420a400a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f4a200a1e0a0768706172616d7312131a110a0f0a026c72120911000000000000e03f",
        "2a310a2f0a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f4a110a0f0a0768706172616d73120422020801",
        "2a0c0a0a0a03616363150000803e",
    ]


def test_more_can_be_added_after_closing(tmp_path):
    w = SummaryWriter(tmp_path, filename_suffix=".mine")
    w.add_scalar("x", 0, 0)
    w.flush()
    assert len(events(tmp_path)) == 2
    w.close()
    w.add_scalar("x", 1, 1)
    w.close()
    assert len(events(tmp_path)) == 4
    assert {path.suffix for path in tmp_path.iterdir()} == {".mine"}


def test_refused(tmp_path):
    with SummaryWriter(tmp_path) as w:
        with pytest.raises(AssertionError, match="scalar should be 0D"):
            w.add_scalar("x", alight.ones(2))
        with pytest.raises(ValueError, match="The input has no element"):
            w.add_histogram("x", alight.ones(0))
        with pytest.raises(ValueError, match="bucket_limits"):
            w.add_histogram_raw("x", 0, 1, 1, 1, 1, [1.0], [1, 2])
        with pytest.raises(AssertionError, match="size of input tensor and input format"):
            w.add_image("x", alight.ones(3, 4))
        with pytest.raises(NotImplementedError, match="add_images"):
            w.add_video("x", alight.ones(1, 2, 3, 4, 4))
        with pytest.raises(TypeError, match="should be dictionary"):
            w.add_hparams([], {})
        assert not hasattr(w, "add_nothing")
    assert len(events(tmp_path)) == 1
