"""Frames: any chunking of a stream gives the same payloads, and damage is an error."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.channel.framing import FRAME_MAX, FrameDecoder, encode_frame
from jackfield.errors import ChannelError

payload_lists = st.lists(st.binary(max_size=300), max_size=8)


@given(payloads=payload_lists, cuts=st.lists(st.integers(0, 3000)))
def test_any_chunking_gives_the_same_payloads(payloads: list[bytes], cuts: list[int]) -> None:
    """Also cut inside a length, also empty reads."""
    stream = b"".join(encode_frame(payload) for payload in payloads)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    decoder = FrameDecoder()
    received = [payload for start, end in itertools.pairwise(edges) for payload in decoder.feed(stream[start:end])]
    assert received == payloads
    assert decoder.pending == 0


@given(payload=st.binary(min_size=1, max_size=200), data=st.data())
def test_a_truncated_stream_is_seen(payload: bytes, data: st.DataObject) -> None:
    """What is missing at end-of-file shows in ``pending``."""
    frame = encode_frame(payload)
    cut = data.draw(st.integers(1, len(frame) - 1))
    decoder = FrameDecoder()
    assert decoder.feed(frame[:cut]) == []
    assert decoder.pending == cut


@pytest.mark.parametrize("size", [FRAME_MAX + 1, 2**31, 2**32 - 1])
def test_an_absurd_length_is_refused_before_its_bytes_arrive(size: int) -> None:
    """Nothing is allocated for it."""
    decoder = FrameDecoder()
    with pytest.raises(ChannelError, match=f"claims {size} bytes"):
        decoder.feed(size.to_bytes(4, "big"))


def test_an_absurd_length_behind_a_good_frame_is_refused() -> None:
    """The check is not only for the first frame."""
    with pytest.raises(ChannelError):
        FrameDecoder().feed(encode_frame(b"fine") + b"\xff\xff\xff\xff")


def test_the_longest_payload_passes_and_one_byte_more_does_not() -> None:
    """The limit is the same for both ends."""
    decoder = FrameDecoder()
    longest = bytes(FRAME_MAX)
    assert decoder.feed(encode_frame(longest)) == [longest]
    with pytest.raises(ChannelError, match="exceeds"):
        encode_frame(bytes(FRAME_MAX + 1))


@given(garbage=st.binary(max_size=400))
def test_garbage_never_gives_more_than_it_was(garbage: bytes) -> None:
    """Random bytes are payloads, pending, or an error; never anything else."""
    decoder = FrameDecoder()
    try:
        payloads = decoder.feed(garbage)
    except ChannelError:
        return
    assert sum(len(payload) + 4 for payload in payloads) + decoder.pending == len(garbage)
