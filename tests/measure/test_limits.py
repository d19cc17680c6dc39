"""FLOPs, traffic and shares, against numbers counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure import EAGER, FUSED, Encoder, Fusion, Limit, Roof, utilisation, vit_flops

BERT = Encoder(layers=12, width=768)
MINILM = Encoder(layers=6, width=384)
H100 = Roof(798e12, 3.0e12)  # measured: bf16 matrix product, device copy


@pytest.mark.parametrize(
    ("encoder", "length", "mflop"),
    [
        (BERT, 32, 171), (BERT, 128, 175), (BERT, 512, 189),
        (MINILM, 32, 21.5), (MINILM, 128, 22.4), (MINILM, 512, 26.0),
    ],
)  # fmt: skip
def test_flops_per_token_of_known_encoders(encoder, length, mflop):
    assert encoder.flops_per_token(length) / 1e6 == pytest.approx(mflop, rel=0.005)


def test_flops_of_a_vit():
    vit = Encoder(layers=12, width=768)
    assert vit_flops(vit, image=224, patch=16) / 1e9 == pytest.approx(35, rel=0.01)
    with pytest.raises(ValueError, match="do not tile"):
        vit_flops(vit, image=224, patch=15)


@given(st.integers(1, 48), st.integers(1, 4096), st.integers(1, 8192))
def test_the_short_form_is_the_general_one(layers, width, length):
    short = layers * (24 * width**2 + 4 * length * width)
    assert Encoder(layers=layers, width=width).flops_per_token(length) == short
    whole = Encoder(layers=layers, width=width, feed_forward=4 * width)
    assert whole.flops_per_token(length) == short


@given(st.lists(st.integers(1, 512), max_size=20))
def test_sequences_add_up(lengths):
    assert MINILM.flops(lengths) == pytest.approx(
        sum(n * MINILM.flops_per_token(n) for n in lengths)
    )


def test_matrix_products_done_one_by_one_are_the_formula():
    """Each product of a layer, 2 m k n, for one sequence."""
    s, d, f, heads = 50, 96, 200, 4
    width = d // heads
    products = [(s, d, d)] * 4 + [(s, d, f), (s, f, d)]
    products += [(s, width, s), (s, s, width)] * heads
    assert Encoder(layers=1, width=d, feed_forward=f).flops([s]) == sum(
        2 * m * k * n for m, k, n in products
    )


@pytest.mark.parametrize(
    ("fusion", "times"),
    [(EAGER, 80), (FUSED, 52), (Fusion(projections=True, activation=True), 60)],
)
def test_traffic_of_a_token(fusion, times):
    assert MINILM.bytes_per_token(fusion=fusion) == times * 384 * 6
    assert MINILM.bytes_per_token(fusion=fusion, bytes_per_value=4) == 2 * times * 384 * 6


def test_full_speed_on_a_measured_card():
    def per_second(encoder):
        roof = H100.flops_per_second
        return roof / encoder.flops([128])

    assert per_second(BERT) == pytest.approx(35_700, rel=0.005)
    assert per_second(MINILM) == pytest.approx(278_000, rel=0.005)
    wall = H100.bytes_per_second / MINILM.bytes_per_token()
    assert wall / 1e6 == pytest.approx(16, rel=0.03)
    wall = H100.bytes_per_second / MINILM.bytes_per_token(fusion=FUSED)
    assert wall / 1e6 == pytest.approx(25, rel=0.01)


@pytest.mark.parametrize(
    ("encoder", "fusion", "limit"),
    [
        (MINILM, EAGER, Limit.MEMORY), (MINILM, FUSED, Limit.MEMORY),
        (BERT, EAGER, Limit.MEMORY), (BERT, FUSED, Limit.COMPUTE),
    ],
)  # fmt: skip
def test_which_wall_an_encoder_meets_first(encoder, fusion, limit):
    found = utilisation(
        seconds=1.0,
        flops=1e6 * encoder.flops_per_token(128),
        bytes_moved=1e6 * encoder.bytes_per_token(fusion=fusion),
        roof=H100,
    )
    assert found.limit is limit


def test_shares():
    found = utilisation(seconds=2.0, flops=50.0, bytes_moved=30.0, roof=Roof(100.0, 20.0))
    assert (found.flop_share, found.bandwidth_share) == (0.25, 0.75)
    assert found.limit is Limit.MEMORY
    assert found.seconds_least == 1.5
    found = utilisation(seconds=2.0, flops=180.0, bytes_moved=0.0, roof=Roof(100.0, 20.0))
    assert (found.flop_share, found.limit, found.seconds_least) == (0.9, Limit.COMPUTE, 1.8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0.0},
        {"flops": -1.0},
        {"bytes_moved": -1.0},
        {"roof": Roof(0.0, 1.0)},
    ],
)
def test_shares_of_nothing_are_an_error(wrong):
    right = {"seconds": 1.0, "flops": 1.0, "bytes_moved": 1.0, "roof": Roof(1.0, 1.0)}
    with pytest.raises(ValueError, match=r"above 0|not negative"):
        utilisation(**(right | wrong))


def test_an_encoder_has_layers():
    with pytest.raises(ValueError, match="from 1"):
        Encoder(layers=0, width=384)
