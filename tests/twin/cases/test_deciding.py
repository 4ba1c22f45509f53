"""The workflow of a case: seven stages, what leads from one to the next, who may, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from twin.access.roles import Act
from twin.calendar import Unit, calendar_for
from twin.cases.clocks import clocks_for
from twin.cases.deciding import Decision, decide, decide_clock, decide_end_of_repeat, decide_repeat
from twin.cases.moves import MOVE_BY_NAME, MOVES
from twin.cases.parties import Party, Told
from twin.cases.refusals import possible
from twin.cases.states import COLUMNS, Ask, CaseState, Outcome, Stage, apply, changes_between
from twin.errors import ConflictError, ForbiddenError, InvalidError, TwinError

CLOCKS = clocks_for(calendar_for("Asia/Shanghai"))
MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in China, a working day
ALL = frozenset(act for act in Act if act.value.startswith("case."))
NEW = CaseState(category_code="06010", stage_since=MONDAY)


def party(number: int, *acts: Act, worker: int | None = None, organisation: int | None = None) -> Party:
    return Party(UUID(int=number), f"party {number}", frozenset(acts), worker, organisation)


CHIEF = party(1, *ALL)
OTHER_CHIEF = party(2, *ALL)
OPERATOR = party(3, Act.FILE_CASE, Act.CHECK_CASE, Act.NOTE_CASE, Act.RATE_CASE)
DISPATCHER = party(4, Act.FILE_CASE, Act.DISPATCH_CASE, Act.CHECK_CASE, Act.NOTE_CASE, Act.HANDLE_CASE)
WORKER = party(5, Act.HANDLE_CASE, Act.CHECK_CASE, Act.NOTE_CASE, Act.CALL_UP, worker=50)
DEPARTMENT = party(6, Act.HANDLE_CASE, Act.NOTE_CASE, organisation=60)
STRANGER = party(7)

# What leads where, written down from the standard's seven stages and side transitions and not from the code.
LEADS = {
    ("collected", "file"): "filed",
    ("collected", "reject"): "collected",
    ("filed", "dispatch"): "dispatched",
    ("dispatched", "take"): "handling",
    ("dispatched", "transfer"): "dispatched",
    ("handling", "transfer"): "dispatched",
    ("handling", "report_done"): "feedback",
    ("feedback", "send_check"): "checking",
    ("checking", "pass"): "rated",
    ("checking", "fail"): "handling",
    ("rated", "rate"): "rated",
    ("rated", "review"): "rated",
    **{(stage, "return"): stage for stage in ("dispatched", "handling")},
    **{(stage, "extend"): stage for stage in ("dispatched", "handling")},
    **{(stage, "park"): stage for stage in ("filed", "dispatched", "handling")},
    **{(stage, "resume"): stage for stage in ("filed", "dispatched", "handling")},
    **{(stage.value, "note"): stage.value for stage in Stage},
    **{(stage.value, "reopen"): "filed" for stage in Stage},
    **{
        (stage.value, move): stage.value
        for stage in Stage
        if stage is not Stage.RATED
        for move in ("void", "supervise", "release", "call_up", "correct", "link", "unlink", "refuse")
    },
}


PARTIES = st.sampled_from([CHIEF, OTHER_CHIEF, OPERATOR, DISPATCHER, WORKER, DEPARTMENT, STRANGER])


def act(state: CaseState, move: str, who: Party = CHIEF, at: datetime = MONDAY, **told: object) -> CaseState:
    """Do something and read it back from what the journal would say."""
    after = decide(state, move, who, Told(**told), clocks=CLOCKS, now=at).state  # type: ignore[arg-type]
    assert apply(state, json.loads(json.dumps(changes_between(state, after)))) == after
    return after


def in_stage(stage: Stage) -> CaseState:
    """Return a case that came to a stage by the straight way, with the worker and the department above."""
    state = NEW
    for name, who, told in (
        ("file", OPERATOR, {}),
        ("dispatch", DISPATCHER, {"worker_id": 50, "organisation_id": 60}),
        ("take", WORKER, {}),
        ("report_done", WORKER, {"note": "done"}),
        ("send_check", OPERATOR, {}),
        ("pass", OPERATOR, {}),
    ):
        if state.stage is stage:
            break
        state = act(state, name, who, **told)
    assert state.stage is stage
    return state


def test_the_straight_way_goes_through_all_seven_stages():
    stages = [in_stage(stage) for stage in Stage]
    assert [state.version for state in stages] == [1, 2, 3, 4, 5, 6, 7]
    assert [state.outcome for state in stages] == [None] * 6 + [Outcome.CLOSED]
    assert stages[-1].closed_at == MONDAY
    assert act(stages[-1], "rate", OPERATOR, rating=5).rating == 5


class Cases(RuleBasedStateMachine):
    """Whatever anybody tries, in any order, at any time."""

    @initialize(urgent=st.booleans())
    def begin(self, urgent: bool) -> None:
        self.first = self.state = dataclasses.replace(NEW, priority=1 if urgent else 3)
        self.journal: list[str] = []
        self.now = MONDAY

    def happened(self, decision: Decision) -> None:
        before, self.state = self.state, decision.state
        assert self.state.version == before.version + 1
        self.journal.append(json.dumps(changes_between(before, self.state)))

    @rule(
        name=st.sampled_from([move.name for move in MOVES]),
        who=PARTIES,
        told=st.builds(
            Told,
            reason=st.sampled_from([None, " ", "because"]),
            note=st.sampled_from([None, "seen"]),
            worker_id=st.sampled_from([None, 50]),
            organisation_id=st.sampled_from([None, 60]),
            rating=st.sampled_from([None, 0, 1, 2, 3, 5]),
            priority=st.sampled_from([None, 1, 9]),
            linked_to=st.sampled_from([None, 1000]),
        ),
        ahead=st.sampled_from([None, -60, 60, 6000]),
    )
    def somebody_tries(self, name: str, who: Party, told: Told, ahead: int | None) -> None:
        until = None if ahead is None else self.now + timedelta(minutes=ahead)
        before, may = self.state, {move.name for move in possible(self.state, who)}
        try:
            decision = decide(
                before, name, who, dataclasses.replace(told, until=until), clocks=CLOCKS, now=self.now
            )
        except InvalidError as error:
            assert name in may
            assert error.where  # noqa: PT017
            return
        except (ConflictError, ForbiddenError):
            # What was asked for can be over by the time it is granted.
            assert name not in may or name == "grant"
            return
        assert name in may
        if name == "grant":
            assert before.asked is not None
            assert who.account_id != UUID(before.asked.by)
        else:
            assert decision.state.stage == LEADS[before.stage.value, name]
        assert decision.state.stage is before.stage or decision.state.clock_events == 0
        if name in ("pass", "fail"):
            assert who.account_id != before.repaired_by
        self.happened(decision)

    # Most of what is tried at random is refused: this goes far into the workflow.
    @rule(who=PARTIES, choice=st.integers(0, 99))
    def somebody_does_what_they_may(self, who: Party, choice: int) -> None:
        may = [m.name for m in possible(self.state, who) if m.name not in ("void", "reject", "link")]
        if may:
            told = Told("because", "seen", 60, 50, None, 1 + choice % 5, None, 1, 1000)
            self.somebody_tries(may[choice % len(may)], who, told, 60_000)

    @rule(minutes=st.sampled_from([1, 45, 300, 3000]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        decision = decide_clock(self.state, clocks=CLOCKS, now=self.now)
        if decision is not None:
            assert self.state.parked_at is None
            assert self.state.is_open
            self.happened(decision)
            assert decide_clock(self.state, clocks=CLOCKS, now=self.now) is None

    @invariant()
    def the_journal_makes_the_case(self) -> None:
        state = self.first
        for line in self.journal:
            state = dataclasses.replace(apply(state, json.loads(line)), version=state.version + 1)
        assert state == self.state

    @invariant()
    def what_cannot_be_is_not(self) -> None:
        s = self.state
        assert (s.closed_at is None) == s.is_open
        assert s.is_open or (s.asked is None and s.parked_at is None)
        assert s.stage is not Stage.RATED or s.outcome is Outcome.CLOSED
        assert s.outcome is not Outcome.CLOSED or s.stage is Stage.RATED
        assert s.stage not in (Stage.DISPATCHED, Stage.HANDLING) or s.worker_id or s.organisation_id
        assert s.stage_due_at is None or s.stage_since is None or s.stage_due_at > s.stage_since
        assert s.filed_at is None or s.due_at is not None
        assert s.review_since is None or (s.rating in (1, 2) and s.outcome is Outcome.CLOSED)
        # What the clock tells next is what it has to tell at that time, and nothing before.
        if s.clock_at is not None and s.clock_at > self.now:
            assert decide_clock(s, clocks=CLOCKS, now=s.clock_at - timedelta(milliseconds=1)) is None
            assert decide_clock(s, clocks=CLOCKS, now=s.clock_at) is not None
        assert not possible(s, STRANGER)


Cases.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCases = Cases.TestCase


def test_every_move_can_be_made_from_just_the_stages_of_the_standard():
    parked = {stage: dataclasses.replace(in_stage(stage), parked_at=MONDAY) for stage in Stage}
    found = set()
    for stage in Stage:
        for state in (
            in_stage(stage),
            dataclasses.replace(in_stage(stage), outcome=Outcome.VOID, closed_at=MONDAY),
            parked[stage],
            dataclasses.replace(in_stage(stage), supervised_by="x"),
            dataclasses.replace(in_stage(stage), linked_to=3),
            dataclasses.replace(in_stage(stage), review_since=MONDAY),
            act(in_stage(stage), "void", OTHER_CHIEF, reason="r") if stage is not Stage.RATED else NEW,
        ):
            found |= {(state.stage.value, move.name) for move in possible(state, CHIEF)}
    granted = {pair for pair in found if pair[1] == "grant"}
    assert found - granted == set(LEADS)


@pytest.mark.parametrize("stage", [Stage.DISPATCHED, Stage.HANDLING])
def test_a_return_waits_for_who_dispatches_and_then_waits_to_be_dispatched_anew(stage: Stage):
    asked = act(in_stage(stage), "return", DEPARTMENT, reason="not our road")
    assert asked.stage is stage
    with pytest.raises(ForbiddenError, match="grant"):
        act(asked, "grant", OPERATOR)
    back = act(asked, "grant", DISPATCHER)
    assert (back.stage, back.worker_id, back.organisation_id, back.asked) == (Stage.FILED, None, None, None)
    assert act(asked, "refuse", DISPATCHER, reason="it is").stage is stage


def test_nobody_grants_what_they_asked_for():
    asked = act(in_stage(Stage.HANDLING), "park", CHIEF, reason="rain")
    with pytest.raises(ForbiddenError, match="somebody else"):
        act(asked, "grant", CHIEF)
    assert act(asked, "grant", OTHER_CHIEF).parked_at == MONDAY


def test_a_second_extension_needs_who_approves():
    def later(days: int) -> datetime:
        return MONDAY + timedelta(days=days)

    first = act(in_stage(Stage.HANDLING), "extend", WORKER, reason="parts", until=later(1))
    extended = act(first, "grant", DISPATCHER)
    assert (extended.stage_due_at, extended.extensions) == (later(1), 1)
    second = act(extended, "extend", WORKER, reason="parts", until=later(2))
    with pytest.raises(ForbiddenError, match="grant"):
        act(second, "grant", DISPATCHER)
    assert act(second, "grant", CHIEF).extensions == 2
    with pytest.raises(InvalidError, match="already"):
        act(extended, "extend", WORKER, reason="parts", until=later(1))


def test_who_repaired_does_not_check_and_a_failed_check_goes_back():
    checking = in_stage(Stage.CHECKING)
    with pytest.raises(ForbiddenError, match="somebody else checks"):
        act(checking, "pass", WORKER)
    redone = act(checking, "fail", OPERATOR, reason="still there")
    assert (redone.stage, redone.reworks, redone.worker_id) == (Stage.HANDLING, 1, 50)


@pytest.mark.parametrize("rating", [1, 2, 3, 4, 5])
def test_a_poor_rating_leaves_the_case_closed_and_brings_it_before_who_may_have_it_redone(rating: int):
    closed, hour = in_stage(Stage.RATED), MONDAY + timedelta(hours=1)
    with pytest.raises(ConflictError, match="no poor rating"):
        act(closed, "review", reason="r")
    rated = act(closed, "rate", OPERATOR, hour, rating=rating)
    assert (rated.stage, rated.outcome, rated.closed_at) == (Stage.RATED, Outcome.CLOSED, MONDAY)
    assert rated.review_since == (hour if rating <= 2 else None)
    if rating > 2:
        return
    with pytest.raises(ForbiddenError):
        act(rated, "review", OPERATOR, reason="r")
    with pytest.raises(InvalidError, match="reason"):
        act(rated, "review")
    stays = act(rated, "review", reason="it was done as it should be")
    assert (stays.review_since, stays.rating, stays.outcome) == (None, rating, Outcome.CLOSED)
    redone = act(rated, "reopen", reason="it leaks still")
    assert (redone.review_since, redone.rating, redone.stage) == (None, None, Stage.FILED)


def test_only_who_has_the_case_or_dispatches_handles_it():
    sent = act(act(NEW, "file"), "dispatch", worker_id=51)
    for who in (WORKER, DEPARTMENT):
        with pytest.raises(ForbiddenError, match="who has this case"):
            act(sent, "take", who)
    assert act(sent, "take", DISPATCHER).stage is Stage.HANDLING


def test_a_parked_case_stands_still_and_goes_on_with_what_was_left():
    handling = in_stage(Stage.HANDLING)  # 4 working hours from 09:00
    noon = MONDAY + timedelta(hours=2)
    parked = act(act(handling, "park", WORKER, noon, reason="rain"), "grant", CHIEF, noon)
    week = noon + timedelta(days=7)
    assert decide_clock(parked, clocks=CLOCKS, now=week) is None
    resumed = act(parked, "resume", WORKER, week)
    assert resumed.stage_due_at == week + timedelta(hours=3)  # 1 before lunch, 1 after
    assert resumed.due_at is not None
    assert resumed.due_at.date() == (week + timedelta(days=2)).date()


def test_a_parked_case_that_is_void_is_parked_no_more():
    parked = act(act(in_stage(Stage.FILED), "park", CHIEF, reason="rain"), "grant", OTHER_CHIEF)
    later = MONDAY + timedelta(hours=1)
    void = act(act(parked, "void", CHIEF, later, reason="a test"), "grant", OTHER_CHIEF, later)
    assert (void.outcome, void.parked_at, void.pauses) == (Outcome.VOID, None, ((MONDAY, later),))


def test_a_correction_counts_anew_from_where_the_clock_began_and_knows_the_pauses():
    handling = in_stage(Stage.HANDLING)
    urgent = act(handling, "correct", OPERATOR, MONDAY + timedelta(minutes=30), priority=1)
    assert urgent.stage_due_at == MONDAY + timedelta(hours=2)
    hour = MONDAY + timedelta(hours=1)
    parked = act(act(handling, "park", WORKER, hour, reason="rain"), "grant", CHIEF, hour)
    resumed = act(parked, "resume", WORKER, hour + timedelta(hours=1))
    assert act(resumed, "correct", OPERATOR, hour + timedelta(hours=1), priority=1).stage_due_at == (
        MONDAY + timedelta(hours=3)
    )


def test_a_clock_warns_is_over_and_calls_the_area_above_once_each():
    state = in_stage(Stage.HANDLING)
    events = []
    for minute in range(0, 60 * 30, 10):
        decision = decide_clock(state, clocks=CLOCKS, now=MONDAY + timedelta(minutes=minute))
        if decision is not None:
            events.append((decision.event, minute))
            state = decision.state
    # 80 % of 4 working hours are 3:12; lunch is an hour from 12:00; the next 4 end at 18:00.
    assert events == [("case.warned", 260), ("case.overdue", 300), ("case.escalated", 540)]
    assert state.called_up == 1


def test_repeats_make_a_case_more_urgent_and_end_with_it():
    state = in_stage(Stage.HANDLING)
    priorities = []
    for _ in range(6):
        state = decide_repeat(state, 1, clocks=CLOCKS).state
        priorities.append(state.priority)
    assert priorities == [3, 2, 2, 2, 1, 1]
    assert state.stage_due_at == MONDAY + timedelta(hours=2)
    with pytest.raises(ConflictError, match="other cases repeat"):
        act(state, "link", linked_to=9)
    child = act(in_stage(Stage.FILED), "link", linked_to=9)
    with pytest.raises(ConflictError, match="repeats case 9"):
        act(child, "dispatch", worker_id=50)
    ended = decide_end_of_repeat(child, Outcome.CLOSED, clocks=CLOCKS, now=MONDAY).state
    assert (ended.stage, ended.outcome) == (Stage.RATED, Outcome.CLOSED)
    assert act(act(in_stage(Stage.FILED), "link", linked_to=9), "unlink", reason="no").linked_to is None


@pytest.mark.parametrize(
    ("stage", "move", "told", "where"),
    [
        (Stage.COLLECTED, "reject", {}, "reason"),
        (Stage.COLLECTED, "reject", {"reason": "  "}, "reason"),
        (Stage.FILED, "dispatch", {}, "handler"),
        (Stage.HANDLING, "extend", {"reason": "r"}, "until"),
        (Stage.HANDLING, "extend", {"reason": "r", "until": MONDAY - timedelta(1)}, "until"),
        (Stage.HANDLING, "correct", {}, "correction"),
        (Stage.HANDLING, "correct", {"priority": 5}, "priority"),
        (Stage.RATED, "rate", {"rating": 6}, "rating"),
        (Stage.FILED, "note", {"note": "x" * 2_001}, "note"),
        (Stage.FILED, "explode", {}, "move"),
    ],
)
def test_what_is_missing_or_cannot_be_is_named(stage: Stage, move: str, told: dict[str, object], where: str):
    with pytest.raises(InvalidError) as error:
        act(in_stage(stage), move, **told)
    assert error.value.where == where


def test_a_wrong_transition_says_what_must_come_first():
    with pytest.raises(ConflictError) as error:
        act(NEW, "dispatch", worker_id=50)
    assert error.value.hint == "first: filed"
    assert isinstance(error.value, TwinError)


def test_a_clock_of_working_time_is_not_extended_to_a_day_off():
    state = in_stage(Stage.HANDLING)
    limit = CLOCKS.limit(state.category_code, state.priority, state.stage)
    assert limit is not None
    assert limit.unit is not Unit.HOURS
    saturday = MONDAY + timedelta(days=5)
    with pytest.raises(InvalidError, match="day off") as refused:
        act(state, "extend", WORKER, reason="r", until=saturday)
    assert "next working time begins" in refused.value.hint
    worked = datetime.strptime(refused.value.hint[-16:], "%Y-%m-%d %H:%M").replace(
        tzinfo=CLOCKS.calendar.zone
    )
    assert act(state, "extend", WORKER, reason="r", until=worked).asked is not None


def test_an_extension_that_is_granted_too_late_is_refused():
    asked = act(in_stage(Stage.HANDLING), "extend", WORKER, reason="r", until=MONDAY + timedelta(days=1))
    with pytest.raises(ConflictError, match="is over"):
        act(asked, "grant", DISPATCHER, MONDAY + timedelta(days=2))


def test_every_thing_asked_for_is_a_move_that_asks():
    assert {move.asks for move in MOVES if move.asks is not None} == set(Ask)
    assert all(MOVE_BY_NAME[ask].granted_by is not None for ask in Ask)


def test_the_columns_are_the_fields():
    assert tuple(field.name for field in dataclasses.fields(CaseState)) == COLUMNS
