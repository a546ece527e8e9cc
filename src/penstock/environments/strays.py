"""Requirements that a served model has no use for: noted while a model was being made, and apt to break its build."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

_TOOLS = {
    "tests": ("pytest", "pytest-*", "hypothesis", "nose", "nose2", "tox", "nox", "coverage", "moto"),
    "notebooks": (
        *("ipykernel", "ipython", "jupyter", "jupyter-*", "jupyterlab", "jupyterlab-*", "notebook", "nbconvert"),
        *("nbclient", "nbformat", "ipywidgets", "papermill"),
    ),
    "checking code": ("black", "ruff", "flake8", "flake8-*", "pylint", "mypy", "isort", "pre-commit", "pyright"),
    "installing packages": ("pip", "pip-tools", "pipenv", "poetry", "conda", "virtualenv", "twine"),
    "debugging": ("debugpy", "ipdb", "pudb"),
}
_AZURE = "azureml-*"
# Of Azure's packages, those that a scoring script imports when it runs.
_AZURE_WHILE_SERVING = frozenset({"azureml-ai-monitoring"})


def strays(names: Iterable[str]) -> Sequence[str]:
    """A sentence per group of packages that need not be in the environment of a served model.

    `names` are canonical. Nothing is left out on this account: a script may import what is listed here.
    """
    asked = list(dict.fromkeys(names))
    sentences: list[str] = []
    for purpose, patterns in _TOOLS.items():
        found = [name for name in asked if any(fnmatchcase(name, pattern) for pattern in patterns)]
        if found:
            verb = "are" if len(found) > 1 else "is"
            sentences.append(f"{', '.join(found)} {verb} for {purpose}: leave out what the model does not import")
    azure = [name for name in asked if fnmatchcase(name, _AZURE) and name not in _AZURE_WHILE_SERVING]
    if azure:
        sentences.append(
            f"{', '.join(azure)}: packages of Azure's older SDK pin many others and exist for few Python versions: "
            "leave them out unless the scoring script imports them"
        )
    return sentences
