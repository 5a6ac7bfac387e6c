"""Topics that were deleted and made again while a worker ran, or before."""

import pytest
from faust.types import TP

from agents.lane.fences import Exit
from agents.topic_ids import TopicIds
from pipeline.errors import TelltaleError
from tests.unit.agents.intake_in_memory import LOGINS, Intake, login
from tests.unit.agents.lane_in_memory import ends_with

pytestmark = pytest.mark.asyncio


async def test_a_topic_recreated_ends_the_process() -> None:
    """Its offsets are those of other records."""
    ids = {"log": "first"}
    topic_ids = TopicIds(lambda: dict(ids), Exit.OTHER_TOPIC_ID)

    async with topic_ids.watched():
        topic_ids.check()
        ids["log"] = "second"
        with ends_with(Exit.OTHER_TOPIC_ID):
            topic_ids.check()


@pytest.mark.parametrize("told", [{}, {"log": ""}])
async def test_a_topic_that_nobody_knows_is_not_judged(told: dict[str, str]) -> None:
    """Deleted and not yet made again, or on a broker that tells no ids."""
    answers = iter(({"log": "first"}, told))
    topic_ids = TopicIds(lambda: next(answers), Exit.OTHER_TOPIC_ID)

    async with topic_ids.watched():
        topic_ids.check()


async def test_each_topic_id_of_an_input_is_a_source_of_its_own() -> None:
    """Else the fold took the first records of the new topic for repeats of the old one's."""
    intake = Intake()
    intake.worker._decoder.tell_apart({LOGINS: "Xk3dQ2rSTFe0z9v-2bQxYw"})
    intake.put(TP(LOGINS, 3), None, login())

    await intake.take_in()

    [(_, entry)] = intake.entries()
    assert entry.source == "login@Xk3dQ2"


async def test_an_input_recreated_is_seen_by_whoever_reads_it_next() -> None:
    """After a rebalance, by a worker that started before; one that gets no answer asks again."""
    intake, answers = Intake(), iter((TelltaleError("no answer"), {LOGINS: "second"}))

    def ask() -> dict[str, str]:
        answer = next(answers)
        if isinstance(answer, TelltaleError):
            raise answer
        return answer

    intake.worker._topic_ids = TopicIds(ask, Exit.INPUT_RECREATED)
    intake.worker._topic_ids.ids = {LOGINS: "first"}
    intake.lane.app.consumer_generation_id = 7

    with ends_with(Exit.INPUT_RECREATED):
        await intake.worker._see_that_inputs_are_the_same()


async def test_inputs_are_asked_about_once_a_generation() -> None:
    """Not before every poll."""
    intake = Intake()
    asked: list[int] = []

    def ask() -> dict[str, str]:
        asked.append(intake.lane.app.consumer_generation_id)
        return {}

    intake.worker._topic_ids = TopicIds(ask, Exit.INPUT_RECREATED)

    for generation in (7, 7, 8):
        intake.lane.app.consumer_generation_id = generation
        await intake.worker._see_that_inputs_are_the_same()

    assert asked == [7, 8]
