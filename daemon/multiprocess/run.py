"""A daemon of several processes, from start to end."""

import os
from collections.abc import Callable

from dfd.daemon.endpoint.doors import check_doors
from dfd.daemon.lifecycle import Ending, serve_until_signal
from dfd.daemon.multiprocess.supervisor import Supervisor
from dfd.daemon.options import ServeOptions
from dfd.daemon.resume.keys import share_with_children
from dfd.errors import UserError

LOAD_MODEL = "dfd.daemon.load:load_model"


async def run_supervisor(
    options: ServeOptions, announce: Callable[[str], None], loader: str = LOAD_MODEL
) -> Ending:
    """Serves with several processes until SIGTERM or SIGINT; a second signal stops at once.

    Args:
        options: how to serve.
        announce: called with the ready line.
        loader: "module:function" that makes the warm classifier of an instance.

    Raises:
        UserError: if an option is wrong.
    """
    if not hasattr(os, "memfd_create"):
        raise UserError("several workers or devices need Linux; use --workers 1 and one device")
    check_doors(options)
    if options.resume_key is None:
        share_with_children()
    supervisor = Supervisor(options, loader)
    drained = True
    try:
        # processes that hang are its own to replace: it need only be there itself
        drained = await serve_until_signal(supervisor, announce, lambda: True)
    finally:
        await supervisor.stop()
    return Ending(drained, device_idle=True)
