"""Files as users have them: kinds, names, paths beside them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.documents import DocumentKind, read_all, read_one, recognised
from penstock.cli.sources import inlined, local_paths, with_references
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import Code, PenstockError
from penstock.domain.fields import parse

_SCHEMA = "https://azuremlschemas.azureedge.net/latest"

BLUE = f"""
$schema: {_SCHEMA}/managedOnlineDeployment.schema.json
name: blue
endpoint_name: fraud
model: {{path: ../model/}}
code_configuration: {{code: src, scoring_script: score.py}}
environment: {{image: base, conda_file: env/conda.yml}}
instance_type: Standard_DS3_v2
"""


def a_folder(root: Path) -> Path:
    """A deployment's files: blue.yml with its code, environment and model."""
    work = root / "work"
    for folder in (root / "model", work / "src", work / "env"):
        folder.mkdir(parents=True)
    (work / "blue.yml").write_text(BLUE)
    (work / "env" / "conda.yml").write_text("dependencies: [python=3.11, {pip: [scikit-learn]}]")
    return work


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": "contract", "endpoint_name": "fraud"}, DocumentKind.CONTRACT),
        ({"type": "autoscale", "endpoint_name": "fraud"}, DocumentKind.AUTOSCALE),
        ({"type": "Microsoft.Insights/autoscaleSettings", "name": "a"}, DocumentKind.AUTOSCALE),
        ({"targetResourceUri": "x", "name": "a"}, DocumentKind.AUTOSCALE),
        ({"$schema": f"{_SCHEMA}/managedOnlineEndpoint.schema.json"}, DocumentKind.ENDPOINT),
        ({"$schema": f"{_SCHEMA}/kubernetesOnlineDeployment.schema.json"}, DocumentKind.DEPLOYMENT),
        ({"$schema": f"{_SCHEMA}/model.schema.json"}, DocumentKind.MODEL),
        ({"$schema": f"{_SCHEMA}/environment.schema.json"}, DocumentKind.ENVIRONMENT),
        ({"name": "a", "auth_mode": "key"}, DocumentKind.ENDPOINT),
        ({"name": "a", "model": "x", "environment": "y"}, DocumentKind.DEPLOYMENT),
        ({"name": "a", "image": "x"}, DocumentKind.ENVIRONMENT),
        ({"name": "a", "path": "x"}, DocumentKind.MODEL),
    ],
)
def test_a_kind_is_known_by_its_schema_or_its_fields(fields: dict[str, str], kind: DocumentKind) -> None:
    assert recognised(fields, "f.yml") is kind


@pytest.mark.parametrize("fields", [{"name": "a"}, {"$schema": f"{_SCHEMA}/computeInstance.schema.json", "path": "x"}])
def test_a_kind_that_is_not_clear_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(PenstockError, match=r"f\.yml: .*schema"):
        recognised(fields, "f.yml")


def test_a_folder_gives_its_documents_and_not_its_conda_files(tmp_path: Path) -> None:
    work = a_folder(tmp_path)
    (work / "two.yaml").write_text("{name: fraud, auth_mode: key}\n---\n{name: m, path: ../model}\n")
    (work / ".hidden.yml").write_text("x: 1")
    kinds = [document.kind for document in read_all([tmp_path, work / "blue.yml"])]
    assert sorted(kinds) == sorted([DocumentKind.DEPLOYMENT, DocumentKind.ENDPOINT, DocumentKind.MODEL])


def test_small_files_are_read_in_and_folders_found_beside_the_document(tmp_path: Path) -> None:
    work = a_folder(tmp_path)
    document = inlined(read_one(work / "blue.yml", DocumentKind.DEPLOYMENT))
    assert document.fields["environment"]["conda_file"] == {"dependencies": ["python=3.11", {"pip": ["scikit-learn"]}]}
    paths = local_paths(document)
    assert {way: path.resolve() for way, path in paths.items()} == {
        ("model", "path"): tmp_path / "model",
        ("code_configuration", "code"): work / "src",
    }
    spec = parse(
        OnlineDeployment,
        with_references(document, {way: f"artifact:{'0' * 64}/{path.name}" for way, path in paths.items()}).fields,
        "blue.yml",
    )
    assert spec.code_configuration is not None
    assert spec.code_configuration.code == f"artifact:{'0' * 64}/src"


def test_a_model_may_be_a_path_and_an_environment_a_file_of_its_own(tmp_path: Path) -> None:
    work = a_folder(tmp_path)
    (work / "env" / "env.yml").write_text("{image: base, requirements: requirements.txt}")
    (work / "env" / "requirements.txt").write_text("# ours\nscikit-learn  # any\n\nnumpy\n")
    text = "{name: blue, endpoint_name: fraud, model: ../model, environment: 'file:env/env.yml'}"
    (work / "blue.yml").write_text(text)
    document = inlined(read_one(work / "blue.yml", DocumentKind.DEPLOYMENT))
    assert document.fields["environment"] == {"image": "base", "requirements": ["scikit-learn", "numpy"]}
    assert list(local_paths(document)) == [("model", "path")]


@pytest.mark.parametrize("reference", ["azureml:m:1", "azureml:m@latest", "azureml://registries/x/models/m"])
def test_references_do_not_travel(tmp_path: Path, reference: str) -> None:
    file = tmp_path / "blue.yml"
    file.write_text(f"{{name: blue, endpoint_name: fraud, model: '{reference}', environment: '{reference}'}}")
    document = inlined(read_one(file, DocumentKind.DEPLOYMENT))
    assert local_paths(document) == {}
    assert document.fields["model"] == reference


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        pytest.param("../model/", "../gone/", "field 'model.path': there is no file or folder", id="model"),
        pytest.param("env/conda.yml", "env/gone.yml", "field 'conda_file': there is no file", id="conda file"),
        pytest.param("code: src", "code: gone", "field 'code_configuration.code'", id="code"),
        pytest.param("managedOnlineD", "managedOnlineE", "names nothing that is known", id="no such schema"),
    ],
)
def test_a_missing_file_is_named_with_its_field(tmp_path: Path, old: str, new: str, part: str) -> None:
    file = a_folder(tmp_path) / "blue.yml"
    file.write_text(BLUE.replace(old, new))
    with pytest.raises(PenstockError) as refused:
        local_paths(inlined(read_one(file, DocumentKind.DEPLOYMENT)))
    assert refused.value.code is Code.INVALID
    assert part in refused.value.message


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match="holds an online-deployment, not an online-endpoint"):
        read_one(a_folder(tmp_path) / "blue.yml", DocumentKind.ENDPOINT)


_VALUES = st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
_FIELDS = st.dictionaries(
    st.sampled_from(["name", "model", "path", "environment", "conda_file", "code_configuration", "code", "image"]),
    st.recursive(_VALUES, lambda v: st.dictionaries(st.sampled_from(["path", "code", "conda_file"]), v, max_size=3)),
)


@given(_FIELDS, st.sampled_from(DocumentKind))
def test_any_fields_are_a_document_or_refused(fields: dict[str, object], kind: DocumentKind) -> None:
    from penstock.cli.documents import Document

    document = Document(kind=kind, fields=fields, source="f.yml", folder=Path("/nowhere"))
    refusal: PenstockError | None = None
    try:
        local_paths(inlined(document))
    except PenstockError as err:
        refusal = err
    assert refusal is None or refusal.code is Code.INVALID
