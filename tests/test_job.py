import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import job
from curate.errors import UsageError
from curate.job import ALONE, Shard, World, parse_shard, this_process

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def torchrun(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)


def test_environment_of_torchrun_tells_the_process(torchrun):
    assert this_process() == World(rank=5, size=8, local_rank=1)
    assert not this_process().is_first
    assert not this_process().is_alone


@pytest.mark.parametrize("name", TORCHRUN)
def test_without_all_of_it_a_process_is_alone(torchrun, monkeypatch, name):
    monkeypatch.delenv(name)
    assert this_process() == ALONE
    assert ALONE.is_first
    assert ALONE.is_alone


def test_a_job_of_one_process_is_none(torchrun, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert this_process() == ALONE


@given(st.integers(0, 50), st.integers(1, 12))
def test_parts_make_up_the_whole_in_order(total, count):
    items = list(range(total))
    parts = [Shard(number, count).of(items) for number in range(1, count + 1)]
    assert [item for part in parts for item in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_wrong_spelling_is_told_the_right_one(text):
    with pytest.raises(UsageError, match=r"1/8, 2/8, \.\. 8/8"):
        parse_shard(text)


@pytest.fixture
def array(monkeypatch):
    """Set the environment of a task of an array, and of no other."""
    for name in job._ARRAYS:
        monkeypatch.delenv(name, raising=False)

    def set_variables(variables):
        for pair in variables.split():
            monkeypatch.setenv(*pair.split("="))

    return set_variables


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ("SLURM_ARRAY_TASK_ID=5", Shard(5, 8)),
        ("PBS_ARRAY_INDEX=1", Shard(1, 8)),
        ("PBS_ARRAYID=8", Shard(8, 8)),
        ("LSB_JOBINDEX=2", Shard(2, 8)),
        ("SGE_TASK_ID=3", Shard(3, 8)),
        ("JOB_COMPLETION_INDEX=0", Shard(1, 8)),
        ("JOB_COMPLETION_INDEX=7", Shard(8, 8)),
        ("LSB_JOBINDEX=0 SGE_TASK_ID=undefined JOB_COMPLETION_INDEX=3", Shard(4, 8)),
    ],
)
def test_task_of_an_array_takes_its_part(array, variables, part):
    array(variables)
    assert parse_shard("auto/8") == part


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        ("auto/8", "", "no task of a job array"),
        ("auto/8", "LSB_JOBINDEX=0 SGE_TASK_ID=undefined", "no task of a job array"),
        ("auto/8", "SLURM_ARRAY_TASK_ID=0", "=0 is none of the parts"),
        ("auto/8", "SLURM_ARRAY_TASK_ID=9", "=9 is none of the parts"),
        ("auto/8", "JOB_COMPLETION_INDEX=8", "Number the tasks 0 to 7"),
        ("auto", "JOB_COMPLETION_INDEX=1", "write that number, --shard auto/8"),
        ("auto/0", "SLURM_ARRAY_TASK_ID=1", "write number/count"),
        ("auto/", "SLURM_ARRAY_TASK_ID=1", "write number/count"),
    ],
)
def test_what_is_no_part_of_an_array_is_refused(array, text, variables, message):
    array(variables)
    with pytest.raises(UsageError, match=message):
        parse_shard(text)


SLURM = "SLURM_ARRAY_TASK_ID=2 " + " ".join(
    f"SLURM_ARRAY_TASK_{end}={{}}" for end in ("MIN", "MAX", "COUNT")
)
SGE = "SGE_TASK_ID=2 SGE_TASK_FIRST={} SGE_TASK_LAST={} SGE_TASK_STEPSIZE={}"


@pytest.mark.parametrize("variables", [SLURM.format(1, 3, 3), SGE.format(1, 3, 1)])
def test_a_whole_array_tells_the_number_of_parts(array, variables):
    array(variables)
    assert parse_shard("auto") == Shard(2, 3)


@pytest.mark.parametrize(
    "variables",
    [SLURM.format(0, 2, 3), SLURM.format(2, 4, 3), SLURM.format(1, 4, 3), SGE.format(2, 3, 1),
     SGE.format(1, 3, 2), "SLURM_ARRAY_TASK_ID=2"],
)  # fmt: skip
def test_an_array_with_gaps_does_not_tell_the_number_of_parts(array, variables):
    array(variables)
    with pytest.raises(UsageError, match=r"does not say that it is 1, 2 .. to the number"):
        parse_shard("auto")
