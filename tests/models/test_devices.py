import copy
import threading

import pytest
import torch

from curate.errors import ConfigError, RunError
from curate.models import devices
from curate.models.devices import Device, choose_device, memory_errors

GPU = torch.device("cuda", 1)


@pytest.fixture
def gpu(monkeypatch):
    """Stand-in for the second of two GPUs, of capability 8.0; returns what may be changed of it."""
    state = {"capability": (8, 0), "entered": []}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: state["capability"])
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: state["entered"].append(device))
    return state


@pytest.mark.parametrize(
    ("name", "precision", "device", "use_bfloat16"),
    [
        ("auto", "auto", GPU, True),
        ("auto", "float32", GPU, False),
        ("cuda", "auto", GPU, True),
        ("cpu", "auto", torch.device("cpu"), False),
        ("cpu", "bfloat16", torch.device("cpu"), True),
    ],
)
def test_a_process_takes_the_gpu_that_is_its_own(gpu, name, precision, device, use_bfloat16):
    assert choose_device(name, precision) == Device(device, use_bfloat16)


def test_only_gpus_that_have_bfloat16_take_it_by_themselves(gpu):
    gpu["capability"] = (7, 5)
    assert not choose_device("auto", "auto").use_bfloat16
    assert choose_device("auto", "bfloat16").use_bfloat16


def test_precision_says_whether_float32_is_tf32(gpu, monkeypatch):
    assert Device(GPU, use_bfloat16=True).precision == "bfloat16"
    assert Device(GPU, use_bfloat16=False).precision == "float32, in convolutions TF32"
    assert Device(torch.device("cpu"), use_bfloat16=False).precision == "float32"
    gpu["capability"] = (7, 5)
    assert Device(GPU, use_bfloat16=False).precision == "float32"
    gpu["capability"] = (9, 0)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    assert Device(GPU, use_bfloat16=False).precision == "float32"


def test_without_a_gpu_the_cpu_is_taken_or_the_gpu_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto", "auto") == Device(torch.device("cpu"), use_bfloat16=False)
    with pytest.raises(ConfigError, match="sees no CUDA device"):
        choose_device("cuda", "auto")


def test_a_thread_computes_on_the_gpu_of_its_process(gpu):
    found = []

    def work():
        Device(GPU, use_bfloat16=False).enter_thread()
        Device(torch.device("cpu"), use_bfloat16=False).enter_thread()
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [1]
    assert gpu["entered"] == [GPU]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
)
def test_too_small_a_memory_is_one_message(error):
    with (
        pytest.raises(RunError, match=r"^cuda:1 ran out of memory in a test\. Do less\.$"),
        memory_errors(GPU, "in a test", "Do less."),
    ):
        raise error


def test_other_errors_stay_what_they_are():
    for error in (RuntimeError("mat1 and mat2"), ValueError("out of memory"), RunError("ill")):
        with pytest.raises(type(error), match=str(error)), memory_errors(GPU, "in a test", "Rest."):
            raise error


def test_autocast_can_be_copied_with_networks():
    holder = torch.nn.Identity()
    holder.autocast = Device(torch.device("cpu"), use_bfloat16=True).autocast
    with copy.deepcopy(holder).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert devices.BFLOAT16_CAPABILITY == (8, 0)


@pytest.mark.parametrize(
    ("device", "num_cores", "num_sharing", "expected"),
    [
        ("cpu", 8, 1, 0),
        ("cuda", 6, 1, 6),
        ("cuda", 64, 1, 16),
        ("cuda", 64, 8, 8),
        ("cuda", 2, 4, 1),
    ],
)
def test_readers_follow_the_cores(monkeypatch, device, num_cores, num_sharing, expected):
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: range(num_cores), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(num_sharing))
    assert devices.count_readers(torch.device(device)) == expected
