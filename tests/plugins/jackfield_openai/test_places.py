"""Places for lines: none is lost, whoever leaves when."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from jackfield_openai.batches.places import Places, Room


@given(
    count=st.integers(1, 3),
    takers=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 4)), max_size=12),
    unneeded=st.integers(0, 6),
)
def test_no_place_is_lost(count: int, takers: list[tuple[int, int, int]], unneeded: int) -> None:
    """Takers of two batches, who hold a place for some turns of the event loop and are cancelled after some."""

    async def body() -> None:
        places = Places(count)
        rooms = (Room(places), Room(places))
        ended = asyncio.Event()
        held = [0, 0]

        async def take(room: int, turns: int) -> None:
            async with rooms[room].place(ended) as given:
                held[room] += given
                assert max(0, held[0] - 1) + max(0, held[1] - 1) <= count - 1
                try:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                finally:
                    held[room] -= given

        tasks = [asyncio.ensure_future(take(room, turns)) for room, turns, _ in takers]
        for turn in range(8):
            for task, (_, _, left) in zip(tasks, takers, strict=True):
                if left == turn:
                    task.cancel()
            if turn == unneeded:
                ended.set()
            await asyncio.sleep(0)
        ended.set()
        async with asyncio.timeout(30):
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
            await all_free(places, rooms)

    asyncio.run(body())


async def all_free(places: Places, rooms: tuple[Room, Room]) -> None:
    """Take them all, and find no more than there are."""
    for room in rooms:
        async with room.place(asyncio.Event()) as mine:
            assert mine
    for _ in range(places.count - 1):
        await places.shared.acquire()
    assert places.shared.locked()


def test_each_batch_has_a_place_of_its_own() -> None:
    """Whatever the others hold."""

    async def body() -> list[bool]:
        places = Places(2)
        big, small = Room(places), Room(places)
        full = asyncio.Event()
        full.set()
        async with (
            big.place(full) as first,
            big.place(full) as second,
            big.place(full) as third,
            small.place(full) as own,
        ):
            return [first, second, third, own]

    assert asyncio.run(body()) == [True, True, False, True]
