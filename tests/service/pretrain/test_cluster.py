"""Ending a run from outside."""

import signal

import pytest

from service.pretrain.cluster import terminated_like_interrupted


@pytest.mark.parametrize("interrupt", [signal.default_int_handler, signal.SIG_IGN])
def test_sigterm_interrupts_also_where_a_script_has_its_background_commands_ignore_sigint(interrupt):
    before, terminated = signal.signal(signal.SIGINT, interrupt), signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == terminated
    finally:
        signal.signal(signal.SIGINT, before)
