"""What verdicts on labelled programs were worth, as docs/accuracy.md tells it."""

from collections.abc import Iterator, Mapping, Sequence

from tests.verdict_trials import Judged, Situation

HEAD = (
    *("looked at", "host", "leaks named", "too early to say", "not seen", "healthy named", "healthy, too early"),
    *("precision", "recall"),
)


def lines(runs: Mapping[str, Mapping[Situation, Sequence[Judged]]]) -> list[str]:
    """A table with a row for each situation and host, by the host's name, and which programs were judged wrongly."""
    rows = [_row(situation, host, judged) for host, run in runs.items() for situation, judged in run.items()]
    table = ["| " + " | ".join(cells) + " |" for cells in (HEAD, ["---"] * len(HEAD), *rows)]
    wrong = [
        line
        for host, run in runs.items()
        for situation, judged in run.items()
        for line in _wrong(host, situation, judged)
    ]
    return [*table, "", *wrong]


def is_good(run: Mapping[Situation, Sequence[Judged]]) -> bool:
    """Whether nothing was named that does not leak."""
    return not any(one.others for judged in run.values() for one in judged)


def _row(situation: Situation, host: str, judged: Sequence[Judged]) -> Sequence[str]:
    leaky, healthy = ([one for one in judged if one.label.leaks is leaks] for leaks in (True, False))
    named, early = (sum(getattr(one, what) for one in leaky) for what in ("found", "too_early"))
    false = sum(len(one.others) for one in judged)
    return (
        situation.name,
        host,
        f"{named} of {len(leaky)}",
        str(early),
        str(len(leaky) - named - early),
        f"{sum(bool(one.others) for one in healthy)} of {len(healthy)}",
        str(sum(one.too_early for one in healthy)),
        _share(named, named + false),
        _share(named, len(leaky)),
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def _wrong(host: str, situation: Situation, judged: Sequence[Judged]) -> Iterator[str]:
    at = f"{situation.name}, {host}"
    if named := [f"`{one.label.name}` ({', '.join(one.others)})" for one in judged if one.others]:
        yield f"- {at}: named and not leaking: {'; '.join(named)}."
    leaky = [one for one in judged if one.label.leaks and not one.found]
    if early := [f"`{one.label.name}`" for one in leaky if one.too_early]:
        yield f"- {at}: too early to say: {', '.join(early)}."
    if unseen := [f"`{one.label.name}`" for one in leaky if not one.too_early]:
        yield f"- {at}: not seen: {', '.join(unseen)}."
