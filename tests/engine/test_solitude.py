"""Many together or one alone, and nobody waits for one who gave up."""

import asyncio

from assay.engine.solitude import Solitude


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_one_alone_waits_for_all_and_keeps_newcomers_out() -> None:
    solitude, log, leave = Solitude(), list[str](), {name: asyncio.Event() for name in ("first", "alone", "late")}

    async def enter(name: str, *, alone: bool) -> None:
        async with solitude.alone() if alone else solitude.together():
            log.append(f"+{name}")
            await leave[name].wait()
            log.append(f"-{name}")

    tasks = [asyncio.create_task(enter("first", alone=False))]
    await settle()
    tasks.append(asyncio.create_task(enter("alone", alone=True)))
    await settle()
    tasks.append(asyncio.create_task(enter("late", alone=False)))
    await settle()
    assert log == ["+first"]
    leave["first"].set()
    await settle()
    assert log == ["+first", "-first", "+alone"]
    leave["alone"].set()
    await settle()
    assert log == ["+first", "-first", "+alone", "-alone", "+late"]
    leave["late"].set()
    await asyncio.gather(*tasks)


async def test_one_who_gives_up_waiting_to_be_alone_lets_the_others_in() -> None:
    solitude, inside = Solitude(), asyncio.Event()

    async def be_alone() -> None:
        async with solitude.alone():
            raise AssertionError

    async def join() -> None:
        async with solitude.together():
            inside.set()

    async with solitude.together():
        waiting = asyncio.create_task(be_alone())
        await settle()
        joining = asyncio.create_task(join())
        await settle()
        assert not inside.is_set()
        waiting.cancel()
        await settle()
        assert inside.is_set()
        await joining
