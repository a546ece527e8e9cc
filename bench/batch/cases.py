"""What is scored: a model, and its input in one of its forms; or the batch script on the files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`form` is `one` (a file), `many` (64 files), `csv`, or `script` (on the 64 files)."""

    model: str
    form: str
    label: str = ""  # what it is called, if not by model and form

    @property
    def name(self) -> str:
        return self.label or f"{self.model} {self.form}"

    @property
    def input(self) -> str:
        return "many" if self.form == "script" else self.form


CASES = {
    case.name: case
    for case in (
        *(Case(model, form) for form in ("one", "many") for model in "AB"),
        *(Case(model, "csv") for model in "AB"),
        Case("A", "script"),
    )
}
