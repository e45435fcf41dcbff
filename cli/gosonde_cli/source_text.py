"""Which sources are possible, as commands show them."""

from typing import TYPE_CHECKING, Any

from gosonde_agent.host import checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosonde_agent.sources.possible import Possibility


def source_document(source: "Possibility") -> dict[str, Any]:
    """Whether a source is possible, as docs/doctor.md describes it."""
    return {
        "source": source.kind.name,
        "possible": not source.refused,
        "because": source.refused,
        "costs": source.kind.price,
        "cannot": list(source.kind.cannot),
        "danger": source.kind.danger,
    }


def said_of(document: dict[str, Any]) -> tuple[str, list[str]]:
    """The same for people: whether it is possible, and why not; then its limits, a sentence each."""
    said = "possible" if document["possible"] else f"not possible: {document['because']}"
    limits = [f"it cannot see {what}" for what in document["cannot"]]
    if document["danger"]:
        limits.append(f"only with --source {document['source']}: {document['danger']}")
    return said, limits


def host_checks() -> "tuple[checks.Check, ...]":
    """What this host allows, found out by trying."""
    try:
        from gosonde_agent.sources.ebpf.loading import come_compiled  # noqa: PLC0415 - not installed with every gosonde
    except ImportError:
        return checks.checks()
    return checks.checks(are_compiled=come_compiled())


def on_host(found: "Sequence[checks.Check]") -> "list[Possibility]":
    """Every source, with what checks of the host have found.

    Raises:
        ImportError: The agent's modules are not there.
    """
    from gosonde_agent.sources.possible import possibilities  # noqa: PLC0415 - not installed with every gosonde

    missing = [f"{check.name}: {check.found}" for check in found if check.status is checks.Status.MISSING]
    return possibilities("; ".join(missing))
