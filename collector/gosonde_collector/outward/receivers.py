"""The receivers that the configuration names."""

import ssl
from typing import Final

from gosonde_common.errors import UsageError

from gosonde_collector.config import PARCA, CollectorConfig
from gosonde_collector.model.errors import DeliveryError
from gosonde_collector.outward.alerts.alertmanager import Alertmanager
from gosonde_collector.outward.alerts.receiver import Receiver, secret_in
from gosonde_collector.outward.alerts.template import Body
from gosonde_collector.outward.alerts.webhook import Proofs, Webhook
from gosonde_collector.outward.profiles.parca import Parca
from gosonde_collector.outward.profiles.pushing import ProfileServer
from gosonde_collector.outward.profiles.pyroscope import Pyroscope

#: Keys of files with secrets, which must be there at the start.
SECRETS: Final = ("webhook_secret", "webhook_token")


def receivers(config: CollectorConfig) -> list[Receiver]:
    """Those of alerts.

    Raises:
        UsageError: A file that the configuration names cannot be used. The message starts with its key.
    """
    for key in SECRETS:
        _check_secret(key, getattr(config, key))
    tls = _tls(config.outward_ca) if _is_encrypted(config) else None
    found: list[Receiver] = [Alertmanager(given, tls) for given in config.alerts_to]
    if config.webhook_to:
        proofs = Proofs(config.webhook_secret, config.webhook_token)
        body, per_minute = Body(config.webhook_template), config.webhook_per_minute
        found.append(Webhook(config.webhook_to, body, proofs, tls, per_minute=per_minute))
    return found


def profile_server(config: CollectorConfig) -> ProfileServer | None:
    """Where profiles go; None for nowhere. Raises as `receivers`."""
    if not config.profiles_to:
        return None
    if config.profiles_api == PARCA:
        return Parca(config.profiles_to, config.outward_ca)
    is_encrypted = config.profiles_to.startswith("https:")
    return Pyroscope(config.profiles_to, _tls(config.outward_ca) if is_encrypted else None)


def _is_encrypted(config: CollectorConfig) -> bool:
    return any(url.startswith("https:") for url in (*config.alerts_to, config.webhook_to))


def _check_secret(key: str, path: str) -> None:
    if path:
        try:
            secret_in(path, key)
        except DeliveryError as error:
            raise UsageError(str(error)) from error


def _tls(ca: str) -> ssl.SSLContext:
    """Trusts the authorities in a file, or those of the system."""
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"outward_ca: {ca} has no certificates that can be read: {error}") from error
