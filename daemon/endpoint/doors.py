"""What other machines can reach: reported, or refused, before a port is bound."""

import logging

from dfd.daemon.endpoint.address import is_loopback
from dfd.daemon.logs import log
from dfd.daemon.options import ServeOptions
from dfd.errors import UserError


def check_doors(options: ServeOptions) -> None:
    """Requires explicit consent before other machines may connect without authentication or TLS.

    Raises:
        UserError: if other machines can reach the port without TLS or authentication.
    """
    if options.serves_metrics and not is_loopback(options.metrics_host):
        log(
            logging.WARNING,
            "other machines can read the metrics page, which requires no authentication",
            host=options.metrics_host,
        )
    known = options.token_file or options.jwt_keys or options.tls_client_ca
    missing = [
        *([] if options.tls_cert else ["TLS (--tls-cert, --tls-key)"]),
        *([] if known else ["tokens (--token-file, --jwt-keys or --tls-client-ca)"]),
    ]
    if not missing or is_loopback(options.host):
        return
    lacks = " and without ".join(missing)
    if not options.allow_open:
        raise UserError(
            f"--host {options.host} lets other machines reach this port without {lacks}; add"
            " what is "
            "missing, use --host 127.0.0.1, or give --allow-open"
        )
    log(logging.WARNING, f"other machines can reach this port without {lacks}", host=options.host)
