from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from crawler.github.client import MAX_SILENT, GithubClient
from crawler.github.probe import probe_repository, state_after
from crawler.states import (
    Changed,
    Failed,
    GithubState,
    Gone,
    GoneReason,
    Outcome,
    Unchanged,
)
from tests.github_server import Fault, GithubServer, What

NAME = "octo/kernels"
HEAD = "*/commits/*"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def settle(outcome: Outcome) -> GithubState:
    """Return the state that a crawl which stored everything would keep."""
    assert isinstance(outcome, Changed), outcome
    return state_after(outcome, outcome.head)


def first_look(client: GithubClient, name: str = NAME) -> GithubState:
    return settle(probe_repository(client, name))


def asked(server: GithubServer, since: int = 0) -> list[tuple[str, int]]:
    return [(served.path.split("/", 3)[3], served.status) for served in server.log[since:]]


def test_a_new_repository_is_described_and_its_head_named(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    repo.description, repo.topics, repo.archived = "Fast\nkernels", ("triton", "gpu"), True
    outcome = probe_repository(make_client(), NAME)
    assert isinstance(outcome, Changed)
    assert outcome.head == repo.head
    assert outcome.requests == len(server.log) == 2
    metadata = outcome.metadata
    assert (metadata.id, metadata.name) == (repo.id, NAME)
    assert metadata.description == "Fast kernels"
    assert (metadata.stars, metadata.forks, metadata.license) == (7, 1, "MIT")
    assert (metadata.topics, metadata.archived) == (("triton", "gpu"), True)
    assert metadata.pushed_at == repo.pushed_at
    assert metadata.clone_url == f"{server.origin}/{NAME}.git"


def test_an_unchanged_repository_costs_one_conditional_request(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    repo.stars += 1
    used, before = server.used, len(server.log)
    outcome = probe_repository(make_client(), NAME, state=state)
    assert outcome == Unchanged(state=state, metadata=None, renamed_from=None, requests=1)
    assert asked(server, before) == [("repos/octo/kernels/commits/main", 304)]
    assert server.used == used, "GitHub does not charge a 304"


def test_old_metadata_are_read_in_place_of_the_head(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = dataclasses.replace(first_look(make_client()), described_at=LONG_AGO)
    before = len(server.log)
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Unchanged)
    assert asked(server, before) == [("repos/octo/kernels", 304)]
    assert outcome.state.described_at > LONG_AGO

    repo.stars = 99
    before = len(server.log)
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Unchanged)
    assert asked(server, before) == [("repos/octo/kernels", 200)]
    assert outcome.metadata is not None
    assert outcome.metadata.stars == 99
    assert outcome.state.head == repo.head

    pushed = repo.push({"k.py": "x = 2"})
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Changed)
    assert outcome.head == pushed


def test_a_push_elsewhere_does_not_change_the_head_of_old_metadata(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = dataclasses.replace(first_look(make_client()), described_at=LONG_AGO)
    repo.push({"k.py": "x = 2"}, branch="feature")
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Unchanged)
    assert outcome.state.pushed_at == repo.pushed_at
    assert outcome.requests == 2


def test_a_push_is_a_change_for_two_requests(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    pushed = repo.push({"k.py": "x = 2"})
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Changed)
    assert (outcome.head, outcome.requests) == (pushed, 2)
    again = probe_repository(make_client(), NAME, state=settle(outcome))
    assert isinstance(again, Unchanged)


def test_a_source_may_follow_a_branch_of_its_own(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    there = repo.push({"k.py": "x = 2"}, branch="dev/next")
    outcome = probe_repository(make_client(), NAME, ref="dev/next")
    assert isinstance(outcome, Changed)
    assert outcome.head == there
    state = settle(outcome)
    repo.push({"k.py": "x = 3"})
    assert isinstance(probe_repository(make_client(), NAME, state=state, ref="dev/next"), Unchanged)
    main = probe_repository(make_client(), NAME, state=state)
    assert isinstance(main, Changed), "without the ref, the default branch is followed again"
    assert main.head == repo.head


@pytest.mark.parametrize("new", ["octo/fast-kernels", "hub/kernels"], ids=["rename", "transfer"])
@pytest.mark.parametrize("is_changed", [False, True], ids=["unchanged", "changed"])
def test_a_renamed_repository_is_followed_and_reported_once(server, make_client, new, is_changed):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    server.world.rename(NAME, new)
    if is_changed:
        repo.push({"k.py": "x = 2"})
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Changed if is_changed else Unchanged)
    assert outcome.renamed_from == NAME
    assert outcome.state.name == new
    assert outcome.metadata is not None
    assert outcome.metadata.clone_url.endswith(f"/{new}.git")
    assert outcome.requests == len(server.log) - 2
    if is_changed:
        outcome = probe_repository(make_client(), NAME, state=outcome.state)
    again = probe_repository(make_client(), NAME, state=outcome.state)
    assert isinstance(again, Unchanged)
    assert (again.renamed_from, again.requests) == (None, 1)


def test_a_renamed_repository_is_found_by_id_when_its_name_is_taken(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    server.world.rename(NAME, "hub/kernels")
    server.world.add(NAME, {"k.py": "import os"})
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Unchanged)
    assert outcome.metadata is not None
    assert (outcome.metadata.id, outcome.renamed_from) == (repo.id, NAME)


def test_a_listed_old_name_leads_to_the_present_one(server, make_client):
    server.world.add("old/name", {"k.py": "x = 1"})
    server.world.rename("old/name", NAME)
    outcome = probe_repository(make_client(), "old/name")
    assert isinstance(outcome, Changed)
    assert (outcome.metadata.name, outcome.renamed_from) == (NAME, "old/name")


def test_letter_case_makes_no_other_name(server, make_client):
    server.world.add("Octo/Kernels", {"k.py": "x = 1"})
    outcome = probe_repository(make_client(), NAME)
    assert isinstance(outcome, Changed)
    assert (outcome.metadata.name, outcome.renamed_from) == ("Octo/Kernels", None)


def test_a_replaced_repository_is_not_taken_for_the_old_one(server, make_client):
    server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    server.world.replace(NAME, {"k.py": "import os"})
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Gone)
    assert outcome.reason is GoneReason.REPLACED
    assert f"(id {state.id})" in outcome.message


def test_gone_private_and_blocked_are_told_apart_as_far_as_github_does(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    repo.private = True
    for known in (state, None):
        outcome = probe_repository(make_client(), NAME, state=known)
        assert isinstance(outcome, Gone)
        assert outcome.reason is GoneReason.MISSING
    repo.private, repo.blocked = False, True
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Gone)
    assert outcome.reason is GoneReason.BLOCKED
    server.world.delete(NAME)
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Gone)
    assert outcome.reason is GoneReason.MISSING


def test_an_empty_repository_is_left_to_git_and_then_costs_one_request(server, make_client):
    repo = server.world.add(NAME)
    outcome = probe_repository(make_client(), NAME)
    assert isinstance(outcome, Changed)
    assert outcome.head is None
    state = settle(outcome)
    again = probe_repository(make_client(), NAME, state=state)
    assert isinstance(again, Unchanged)
    assert (again.requests, again.state.head) == (1, None)
    repo.push({"k.py": "x = 1"})
    filled = probe_repository(make_client(), NAME, state=state)
    assert isinstance(filled, Changed)
    assert filled.head == repo.head


def test_a_deleted_branch_is_followed_to_the_new_default(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    there = repo.push({"k.py": "x = 2"}, branch="trunk")
    repo.switch_default("trunk")
    repo.delete_branch("main")
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Changed)
    assert (outcome.head, outcome.state.ref) == (there, "trunk")


def test_a_default_branch_that_vanished_is_left_to_git(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    repo.push({"k.py": "x = 2"}, branch="other")
    repo.delete_branch("main")
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Changed)
    assert outcome.head is None


def test_a_force_push_is_a_change(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    made = repo.force_push({"k.py": "x = 2"})
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Changed)
    assert outcome.head == made


def test_git_may_know_better_than_the_api(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    outcome = probe_repository(make_client(), NAME)
    later = repo.push({"k.py": "x = 2"})
    assert isinstance(outcome, Changed)
    state = state_after(outcome, later)
    assert (state.head, state.head_etag) == (later, None)
    assert isinstance(probe_repository(make_client(), NAME, state=state), Unchanged)


RETRIED = [
    What.TIMEOUT,
    What.RESET,
    What.TRUNCATED,
    What.SERVER_ERROR,
    What.BAD_GATEWAY,
    What.INVALID_JSON,
    What.HTML,
    What.GARBAGE,
]
# Requests of a look at a changed repository: the head, then the metadata.
PLACES = [(HEAD, "first"), ("*/repos/octo/kernels", "last")]


@pytest.mark.parametrize("on", [on for on, _ in PLACES], ids=[name for _, name in PLACES])
@pytest.mark.parametrize("what", RETRIED, ids=lambda what: what.name.lower())
def test_a_passing_fault_is_retried_with_backoff(server, make_client, clock, what, on):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    repo.push({"k.py": "x = 2"})
    server.script(Fault(what=what, on=on, times=2))
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Changed)
    assert (outcome.head, outcome.requests) == (repo.head, 4)
    assert clock.slept == [1.0, 4.0]


@pytest.mark.parametrize("on", [on for on, _ in PLACES], ids=[name for _, name in PLACES])
@pytest.mark.parametrize(
    ("what", "words"),
    [
        (What.TIMEOUT, "does not answer in time"),
        (What.RESET, "breaks off"),
        (What.TRUNCATED, "breaks off"),
        (What.SERVER_ERROR, "answers 500"),
        (What.BAD_GATEWAY, "answers 502"),
        (What.INVALID_JSON, "broken JSON"),
        (What.HTML, "HTML"),
        (What.GARBAGE, "cannot be used"),
        (What.UNAUTHORIZED, "refuses the token (401)"),
        (What.FORBIDDEN, "403: Resource not accessible by integration"),
        (What.REDIRECT_LOOP, "redirects without end"),
        (What.ELSEWHERE, "out of its API"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, What) else "",
)
def test_a_lasting_fault_is_one_line_and_heals_without_trace(server, make_client, what, words, on):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    repo.push({"k.py": "x = 2"})
    before = len(server.log)
    server.script(Fault(what=what, on=f"{on}*", times=None))
    outcome = probe_repository(make_client(), NAME, state=state)
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith(f"{NAME}: ")
    assert words in outcome.message
    assert "\n" not in outcome.message
    assert not outcome.stops
    assert outcome.requests == len(server.log) - before
    server.heal()
    healed = probe_repository(make_client(), NAME, state=state)
    assert isinstance(healed, Changed)
    assert healed.head == repo.head


@pytest.mark.parametrize("what", [What.NOT_FOUND, What.CONFLICT], ids=["404", "409"])
def test_a_head_denied_once_is_asked_for_again(server, make_client, what):
    server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    server.script(Fault(what=what, on=HEAD))
    assert isinstance(probe_repository(make_client(), NAME, state=state), Unchanged)


def test_a_name_denied_once_is_found_by_id(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    state = first_look(make_client())
    repo.push({"k.py": "x = 2"})
    server.script(Fault(what=What.NOT_FOUND, on="*/repos/octo/kernels"))
    assert isinstance(probe_repository(make_client(), NAME, state=state), Changed)


def test_an_odd_conflict_on_the_metadata_is_a_failure(server, make_client):
    server.world.add(NAME, {"k.py": "x = 1"})
    server.script(Fault(what=What.CONFLICT, times=None))
    outcome = probe_repository(make_client(), NAME)
    assert isinstance(outcome, Failed)
    assert "409" in outcome.message


@pytest.mark.parametrize(
    ("fault", "slept"),
    [
        (Fault(what=What.TOO_MANY, retry_after=7), 7.0),
        (Fault(what=What.TOO_MANY), 60.0),
        (Fault(what=What.SECONDARY_LIMIT, retry_after=5), 5.0),
        (Fault(what=What.SECONDARY_LIMIT), 60.0),
        (Fault(what=What.PRIMARY_LIMIT, reset_in=30), pytest.approx(30, abs=3)),
    ],
    ids=["429 for 7 s", "429", "secondary for 5 s", "secondary", "primary for 30 s"],
)
def test_a_short_limit_is_waited_out(server, make_client, clock, fault, slept):
    server.world.add(NAME, {"k.py": "x = 1"})
    fault.seen = 0
    server.script(fault)
    outcome = probe_repository(make_client(), NAME)
    assert isinstance(outcome, Changed)
    assert clock.slept == [slept]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(what=What.PRIMARY_LIMIT, reset_in=1800),
        Fault(what=What.TOO_MANY, retry_after=1800),
        Fault(what=What.SECONDARY_LIMIT, retry_after=1800),
    ],
    ids=["primary", "429", "secondary"],
)
def test_a_long_limit_ends_the_run_without_another_request(server, make_client, clock, fault):
    for name in (NAME, "octo/other"):
        server.world.add(name, {"k.py": "x = 1"})
    fault.seen = 0
    server.script(fault)
    client = make_client()
    outcome = probe_repository(client, NAME)
    assert isinstance(outcome, Failed)
    assert outcome.stops
    assert outcome.retry_at is not None
    assert abs(outcome.retry_at.timestamp() - clock.now - 1800) < 5
    assert "run again after" in outcome.message
    other = probe_repository(client, "octo/other")
    assert isinstance(other, Failed)
    assert (other.stops, other.requests) == (True, 0)
    assert (len(server.log), clock.slept) == (1, [])


def test_secondary_limits_without_a_time_are_waited_for_ever_longer(server, make_client, clock):
    server.world.add(NAME, {"k.py": "x = 1"})
    server.script(Fault(what=What.TOO_MANY, times=None))
    outcome = probe_repository(make_client(), NAME)
    assert isinstance(outcome, Failed)
    assert outcome.stops
    assert clock.slept == [60.0], "the second wait, of two minutes, is too long"


def test_the_hour_ends_before_github_says_so(server, make_client):
    server.limit = 3
    for number in range(3):
        server.world.add(f"octo/k{number}", {"k.py": f"x = {number}"})
    client = make_client()
    outcomes = [probe_repository(client, f"octo/k{number}") for number in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Changed, Failed, Failed]
    assert len(server.log) == 3, "no request is sent only to hear 403"


def test_an_allowance_ends_the_run_and_free_answers_do_not_count(server, make_client):
    names = [f"octo/k{number}" for number in range(4)]
    for name in names:
        server.world.add(name, {"k.py": name})
    states = [first_look(make_client(), name) for name in names]
    client = make_client(allowance=1)
    for name, state in zip(names, states, strict=True):
        assert isinstance(probe_repository(client, name, state=state), Unchanged)
    server.world.repos[names[0]].push({"k.py": "new"})
    outcome = probe_repository(client, names[0], state=states[0])
    assert isinstance(outcome, Failed)
    assert "the 1 requests granted to this run are spent" in outcome.message


def test_a_bad_token_is_not_tried_a_fourth_time(server, make_client):
    server.script(Fault(what=What.UNAUTHORIZED, times=None))
    client = make_client()
    stops = [probe_repository(client, f"octo/k{number}").stops for number in range(5)]
    assert stops == [False, False, True, True, True]
    assert len(server.log) == 3


def test_one_refusal_between_good_answers_stops_nothing(server, make_client):
    for number in range(4):
        server.world.add(f"octo/k{number}", {"k.py": f"x = {number}"})
    server.script(Fault(what=What.UNAUTHORIZED, on="*/k1"))
    client = make_client()
    outcomes = [type(probe_repository(client, f"octo/k{number}")) for number in range(4)]
    assert outcomes == [Changed, Failed, Changed, Changed]


@pytest.mark.parametrize("what", [What.UNAUTHORIZED, What.RESET], ids=["401", "reset"])
def test_a_good_answer_makes_earlier_failures_forgotten(server, make_client, what):
    server.world.add("octo/good", {"k.py": "x = 1"})
    server.script(Fault(what=what, on="*/bad*", times=None))
    client = make_client()
    for number in range(6):
        outcome = probe_repository(client, f"octo/bad{number}")
        assert isinstance(outcome, Failed)
        assert not outcome.stops
        assert isinstance(probe_repository(client, "octo/good"), Changed)


def test_an_unreachable_github_is_given_up_once(server, make_client):
    server.script(Fault(what=What.RESET, times=None))
    client = make_client()
    outcomes = [probe_repository(client, f"octo/k{number}") for number in range(5)]
    assert [outcome.stops for outcome in outcomes] == [False, False, False, True, True]
    assert len(server.log) == MAX_SILENT


def test_a_clone_address_out_of_place_is_refused(server, make_client):
    repo = server.world.add(NAME, {"k.py": "x = 1"})
    repo.clone_url = "http://metadata.example/latest.git"
    outcome = probe_repository(make_client(), NAME)
    assert isinstance(outcome, Failed)
    assert "the clone address is not https" in outcome.message


def test_a_hundred_changed_repositories_fit_an_hour_of_an_actions_token(server, make_client):
    names = [f"octo/k{number:03}" for number in range(100)]
    for name in names:
        server.world.add(name, {"k.py": name})
    states = {name: first_look(make_client(), name) for name in names}
    first = server.used
    for name in names:
        server.world.repos[name].push({"k.py": "new"})
    client = make_client()
    for name in names:
        assert isinstance(probe_repository(client, name, state=states[name]), Changed)
    # Two each; on a machine under load one may be asked for again.
    assert 200 <= first <= 210
    assert 200 <= server.used - first <= 210


def test_without_a_token_github_is_asked_openly(server, make_client):
    server.world.add(NAME, {"k.py": "x = 1"})
    probe_repository(make_client(token=None), NAME)
    probe_repository(make_client(), NAME)
    sent = [served.authorization for served in server.log]
    assert sent[:2] == [None, None]
    assert all(sent[2:])
