"""The words of a command line, so that `az`'s flags with several values (`--set a=1 b=2`) can be read."""

from collections.abc import Sequence

from penstock.cli.edits import SEPARATOR

_REPEATED = frozenset(
    {"--set", "--tags", "--traffic", "--mirror-traffic", "--index", "--inputs", "--outputs", "--defaults"}
)
_GROUPED = frozenset({"--add", "--remove", "--scale", "--recurrence", "--condition", "--timegrain"})
_MANY_FILES = frozenset({"apply", "plan"})


def regrouped(words: Sequence[str]) -> list[str]:
    """The same words with one value per flag: `--set a=1 b=2` becomes `--set a=1 --set b=2`.

    The values of one --add, --remove, --scale and the like stay together as one word. No command takes words without
    a flag, so a bare word can only be one more value.
    """
    repeated = _REPEATED | _short_flags(words)
    result: list[str] = []
    flag: str | None = None  # the flag that bare words belong to
    values = 0  # how many it has had
    for word in words:
        if word.startswith("-") and len(word) > 1:
            result.append(word)
            flag, equals, _ = word.partition("=")
            values = 1 if equals else 0
        elif flag in repeated and values:
            result += [str(flag), word]
        elif flag in _GROUPED and values:
            result[-1] += SEPARATOR + word
        else:
            result.append(word)
            values += 1
    return result


def _short_flags(words: Sequence[str]) -> frozenset[str]:
    if _MANY_FILES & set(words[:1]):
        return frozenset({"-f", "--file"})
    return frozenset({"-r"}) if list(words[:2]) == ["online-endpoint", "update"] else frozenset()
