"""The checks of `dfd doctor`: each says what it found and how to fix it.

finding   what a check is asked and what it answers
packages  the interpreter and the packages of each extra
machine   processors and devices, sound, limits
serving   the model, the ports, the daemon and its certificate
"""

from collections.abc import Callable, Iterator

from dfd.cli.checks import machine, packages, serving
from dfd.cli.checks.finding import Finding, Wanted

CHECKS: tuple[Callable[[Wanted], Iterator[Finding]], ...] = (
    packages.python,
    packages.extras,
    machine.processors,
    serving.model,
    serving.ports,
    serving.server,
    serving.certificate,
    machine.sound,
    machine.limits,
)
