import os
import signal
import threading

import pytest

from curate.interrupts import InterruptFlag, signals_held


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_interruption_waits_for_the_end_of_the_block():
    done = []

    def work():
        with signals_held():
            interrupt()
            done.append("to the end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["to the end"]


def test_long_work_can_ask_where_to_stop():
    done = []

    def work():
        with signals_held() as check:
            for number in range(5):
                check()
                done.append(number)
                if number == 1:
                    interrupt()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [0, 1]


def test_handlers_are_as_before_and_get_what_waited():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append("handler"))
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with signals_held():
            os.kill(os.getpid(), signal.SIGTERM)
            assert seen == []
        assert seen == ["handler"]
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_threads_leave_signals_alone():
    handlers = []

    def work():
        with signals_held() as check:
            handlers.append(signal.getsignal(signal.SIGINT))
            check()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_flag_waits_for_its_reader_or_interrupts_at_once():
    with InterruptFlag() as patient:
        interrupt()
        assert patient.is_set
    hasty, done = InterruptFlag(at_once=True), []

    def work():
        with hasty:
            interrupt()
            done.append("more")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert hasty.is_set
    assert done == []
