"""Every command: its help, its flags as `az ml` names them, what it costs to start."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.main import root

COMMANDS = [
    "up",
    "down",
    "status",
    "apply",
    "plan",
    "events",
    "rollback",
    *(f"golden {verb}" for verb in ("check", "record")),
    *(f"webhook {verb}" for verb in ("create", "show", "list", "delete", "test", "deliveries", "replay")),
    "doctor",
    "metrics",
    *(f"online-endpoint {verb}" for verb in ("create", "update", "show", "list", "delete", "invoke", "rollback")),
    *(f"online-endpoint {verb}" for verb in ("get-credentials", "regenerate-keys")),
    *(f"online-deployment {verb}" for verb in ("create", "update", "show", "list", "delete", "get-logs")),
    *(f"batch-endpoint {verb}" for verb in ("create", "update", "show", "list", "delete", "invoke", "list-jobs")),
    *(f"batch-deployment {verb}" for verb in ("create", "update", "show", "list", "delete", "list-jobs")),
    *(f"job {verb}" for verb in ("show", "list", "stream", "cancel", "resume", "archive", "restore", "update")),
    "job download",
    *(f"compute {verb}" for verb in ("create", "show", "list", "update", "delete")),
    *(
        f"rollout {verb}"
        for verb in ("start", "show", "list", "watch", "pause", "resume", "promote", "abort", "delete")
    ),
    "shadow show",
    *(f"model {verb}" for verb in ("create", "show", "list", "update", "archive", "restore", "deployments")),
    *(f"model {verb}" for verb in ("download", "export", "import", "share", "validate")),
    *(f"contract {verb}" for verb in ("create", "update", "show", "list", "delete", "learn", "check")),
    *(f"autoscale {verb}" for verb in ("create", "update", "show", "list", "delete", "simulate")),
    *(f"autoscale {noun} {verb}" for noun in ("rule", "profile") for verb in ("create", "list", "delete")),
    *(f"environment {verb}" for verb in ("create", "show", "list", "update", "archive", "restore", "doctor", "logs")),
    *(f"data {verb}" for verb in ("create", "show", "list", "update", "archive", "restore")),
    *(f"datastore {verb}" for verb in ("create", "show", "list", "update", "delete")),
    *(f"data-collection {verb}" for verb in ("list", "download")),
    *(f"image {verb}" for verb in ("base", "build", "list")),
]

# Flags of `az ml` (contracts of the command line), with their short forms; those without a meaning here included.
AZURE = {
    "online-endpoint create": "--auth-mode -f/--file --local -n/--name --no-wait --set -e/--web",
    "online-endpoint update": "--add -f/--file --force-string --local --mirror-traffic -n/--name --no-wait --remove "
    "--set -r/--traffic -e/--web",
    "online-endpoint delete": "-n/--name --local --no-wait -y/--yes",
    "online-endpoint invoke": "-n/--name -d/--deployment-name --local -r/--request-file",
    "online-endpoint list": "--local",
    "online-endpoint regenerate-keys": "-n/--name --key-type --no-wait",
    "online-endpoint show": "-n/--name --local -e/--web",
    "online-endpoint get-credentials": "-n/--name",
    "online-deployment create": "-f/--file --all-traffic -e/--endpoint-name --local --local-enable-gpu -n/--name "
    "--no-wait --package-model --set --skip-script-validation --vscode-debug --web",
    "online-deployment update": "--add -e/--endpoint-name -f/--file --force-string --local --local-enable-gpu "
    "-n/--name --no-wait --remove --set --skip-script-validation --vscode-debug --web",
    "online-deployment delete": "-e/--endpoint-name -n/--name --local --no-wait -y/--yes",
    "online-deployment get-logs": "-e/--endpoint-name -n/--name -c/--container -l/--lines --local",
    "online-deployment list": "-e/--endpoint-name --local",
    "online-deployment show": "-e/--endpoint-name -n/--name --local --web",
    "batch-endpoint create": "-f/--file -n/--name --no-wait --set",
    "batch-endpoint update": "--add --defaults -f/--file --force-string -n/--name --no-wait --remove --set",
    "batch-endpoint delete": "-n/--name --no-wait -y/--yes",
    "batch-endpoint invoke": "-n/--name -d/--deployment-name -e/--experiment-name -f/--file --input --input-type "
    "--inputs -c/--instance-count --job-name -m/--mini-batch-size --output-path --outputs --set",
    "batch-endpoint list": "",
    "batch-endpoint list-jobs": "-n/--name",
    "batch-endpoint show": "-n/--name",
    "batch-deployment create": "-f/--file -e/--endpoint-name -n/--name --no-wait --set --set-default "
    "--skip-script-validation",
    "batch-deployment update": "--add -e/--endpoint-name -f/--file --force-string -n/--name --no-wait --remove --set",
    "batch-deployment delete": "-e/--endpoint-name -n/--name --no-wait -y/--yes",
    "batch-deployment list": "-e/--endpoint-name",
    "batch-deployment list-jobs": "-e/--endpoint-name -n/--name",
    "batch-deployment show": "-e/--endpoint-name -n/--name",
    "job show": "-n/--name -e/--web",
    "job list": "--all-results --archived-only --include-archived -r/--max-results -p/--parent-job-name",
    "job stream": "-n/--name",
    "job cancel": "-n/--name",
    "job archive": "-n/--name",
    "job restore": "-n/--name",
    "job update": "-n/--name --add --force-string --remove --set -e/--web",
    "job download": "-n/--name --all -p/--download-path --output-name",
    "compute create": "--admin-password --admin-username --description --enable-node-public-ip -f/--file "
    "--identity-type --idle-time-before-scale-down --location --max-instances --min-instances -n/--name --no-wait "
    "--set --size --ssh-key-value --ssh-public-access-enabled --subnet --tags --tier -t/--type "
    "--user-assigned-identities --user-object-id --user-tenant-id --vnet-name",
    "compute delete": "-n/--name --no-wait -y/--yes",
    "compute list": "-r/--max-results --type",
    "compute show": "-n/--name",
    "compute update": "-n/--name --add --force-string --identity-type --idle-time-before-scale-down --max-instances "
    "--min-instances --no-wait --remove --set --tags --user-assigned-identities",
    "model create": "--datastore --description -f/--file -n/--name --no-wait --path --registry-name --set --stage "
    "--tags --type --version",
    "model list": "--archived-only --include-archived --max-results -n/--name --registry-name --stage",
    "model show": "-n/--name --label --registry-name --version",
    "model archive": "-n/--name --label --registry-name --version",
    "model restore": "-n/--name --label --registry-name --version",
    "model update": "--add --force-string --label -n/--name --registry-name --remove --set --stage --version",
    "model download": "-p/--download-path -n/--name --registry-name --version",
    "model share": "-n/--name --registry-name --share-with-name --share-with-version --version",
    "autoscale create": "--resource -n/--name --count --min-count --max-count --disabled --action --tags --location "
    "--email-administrator --resource-type --resource-namespace --resource-parent",
    "autoscale update": "-n/--name --count --min-count --max-count --add --remove --set --add-action --remove-action",
    "autoscale rule create": "--autoscale-name --condition --scale --cooldown --timegrain --resource --profile-name",
    "autoscale rule delete": "--autoscale-name --index --profile-name",
    "autoscale profile create": "--autoscale-name -n/--name --count --min-count --max-count --start --end "
    "--recurrence --timezone --copy-rules",
    "environment create": "--build-context --conda-file --datastore --description --dockerfile-path -f/--file --image "
    "-n/--name --no-wait --os-type --registry-name --set --tags --version",
    "environment list": "--archived-only --include-archived --max-results -n/--name --registry-name",
    "environment show": "-n/--name --label --registry-name --version",
    "environment update": "-n/--name --add --force-string --label --registry-name --remove --set --version",
    "environment archive": "-n/--name --label --registry-name --version",
    "environment restore": "-n/--name --label --registry-name --version",
    "data create": "--datastore --description -f/--file -n/--name --no-wait --path --registry-name --set "
    "--skip-validation --type --version",
    "data list": "--archived-only --include-archived --max-results -n/--name --registry-name",
    "data show": "-n/--name --label --registry-name --version",
    "data update": "-n/--name --add --force-string --label --registry-name --remove --set --version",
    "data archive": "-n/--name --label --version",
    "data restore": "-n/--name --label --version",
    "datastore create": "-f/--file -n/--name --set",
    "datastore update": "-n/--name --add -f/--file --force-string --remove --set",
}


def invoked(line: str) -> tuple[int, str, str]:
    words = line.split()
    result = CliRunner().invoke(root(words), words)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("line", COMMANDS)
def test_every_help_has_an_example_and_the_output_flags(line: str) -> None:
    code, text, _ = invoked(f"{line} --help")
    assert code == 0
    assert f"Example:\n    penstock {line}" in text
    assert "-o, --output" in text


@pytest.mark.parametrize("line", AZURE)
def test_every_flag_of_azure_is_known(line: str) -> None:
    flags = f"{AZURE[line]} -g/--resource-group -w/--workspace-name --subscription".replace("/", " ").split()
    _, _, err = invoked(f"{line} {' 1 '.join(flags)} 1 --no-such-flag")
    assert "No such option: --no-such-flag" in err  # the first that is not known is named


def test_a_flag_without_a_meaning_here_is_mentioned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_URL", "nonsense")
    code, out, err = invoked("online-endpoint list -g group --local --subscription s")
    assert code == 2
    assert out == ""
    assert (
        err.splitlines()[0] == "ignored: --local, --resource-group, --subscription (nothing to do on your own machines)"
    )
    assert err.splitlines()[1].startswith("error: 'nonsense' is not the URL of a platform")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("online-endpoint delete -n fraud", "add --yes"),
        ("online-endpoint create", "give --file or --name"),
        ("online-deployment create -f x.yml --all-traffic --no-wait", "leave out --no-wait"),
        ("online-deployment create -f /no/such.yml", "there is no file /no/such.yml"),
        ("online-endpoint update --set a=1", "give --name"),
        ("status --query [", "--query '['"),
        ("nonsense", "No such command"),
        ("online-endpoint show", "--name"),
        ("rollback", "give an endpoint, or an event"),
        ("rollback -e fraud --to-event 3", "give an endpoint, or an event"),
        ("rollback -e fraud --to-generation 3", "a generation is a deployment's"),
        ("rollback -e fraud --prune", "prune is for going back to an event"),
        ("golden check -e fraud -d blue -f /no/such.jsonl", "there is no file /no/such.jsonl"),
        ("webhook create --url http://x", "give --name"),
        ("batch-endpoint create", "give --file or --name"),
        ("batch-endpoint update --defaults deployment_name=a", "give --name"),
        ("batch-endpoint invoke -n fraud", "give the data: --input PATH"),
        ("batch-endpoint invoke -n fraud --input a --inputs b=c", "not both"),
        ("batch-endpoint invoke -n fraud --input a --input-type folder", "give uri_folder or uri_file"),
        ("batch-endpoint invoke -n fraud --input a --output-path b --outputs score=c", "not both"),
        ("batch-endpoint invoke -n fraud --input a --outputs b=c --outputs d=e", "scoring has one output"),
        ("batch-endpoint invoke -n fraud -f /no/such.yml", "there is no file /no/such.yml"),
        ("batch-deployment create -f x.yml --set-default --no-wait", "leave out --no-wait"),
        ("compute create --max-instances 2", "give --name"),
        ("job download -n x --all --output-name score", "not both"),
        ("autoscale create --resource wine/blue", "--count or --max-count"),
        ("autoscale create --resource wine --count 1", "write ENDPOINT/DEPLOYMENT"),
        ("autoscale create --resource wine/blue --min-count 3 --max-count 2", "min must not be more than max"),
        ("autoscale profile create --autoscale-name a/b -n x --count 1", "give --recurrence week DAYS"),
        ("autoscale profile create --autoscale-name a/b -n x --count 1 --recurrence day", "week sat sun"),
        ("autoscale simulate --trace /no/such.csv -f /no/such.yml", "there is no file /no/such.yml"),
        ("environment show -n a --version 1 --label latest", "give --version or --label, not both"),
        ("environment archive -n a --label newest", "environments have one label, latest"),
        ("environment logs", "give one of --name, --fingerprint"),
        ("environment logs -e fraud", "--endpoint-name needs --deployment-name"),
        ("environment doctor -f /no/such.txt", "there is no file /no/such.txt"),
        ("model export -n fraud --version 1 -o table", "write -o fraud.tar.zst, and --output table"),
        ("model share -n a --version 1 --registry-name http://x --share-with-name b --share-with-version 1", "_SHARE_"),
    ],
)
def test_misuse_ends_with_2_and_a_sentence(line: str, part: str) -> None:
    code, out, err = invoked(line)
    assert (code, out) == (2, "")
    assert part in err


def test_help_loads_neither_http_nor_models(monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = ("httpx", "pydantic", "rich", "yaml", "jmespath", "fastapi", "sqlalchemy")
    for name in list(sys.modules):
        if name.partition(".")[0] in heavy or name.startswith("penstock"):
            monkeypatch.delitem(sys.modules, name)
    main = import_module("penstock.cli.main")
    words = ["--help"]
    assert CliRunner().invoke(main.root(words), words).exit_code == 0
    assert [name for name in heavy if name in sys.modules] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_the_reference_lists_every_command_with_its_flags(line: str) -> None:
    reference = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    row = next(row for row in reference.splitlines() if row.startswith(f"| `{line}` |"))
    _, text, _ = invoked(f"{line} --help")
    flags = re.findall(r"^  (?:(-\w), )?(--[\w-]+)", text, re.MULTILINE)
    shown = {f"{short}/{long}".lstrip("/") for short, long in flags} - {"-o/--output", "--query", "--help"}
    assert set(re.findall(r"`(-[^`]+)`", row.rpartition("|")[0].rpartition("|")[2])) == shown
