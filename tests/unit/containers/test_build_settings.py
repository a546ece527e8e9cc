"""What builds get of the machine's settings."""

from pathlib import Path

from penstock.containers.build_settings import build_settings, certificates, pip_config

OF_SYSTEM = "[global]\nindex-url = https://u:p@mirror.example.com/simple\ntimeout = 60\n"
OF_USER = """
[install]
extra-index-url =
    https://more.example.com/simple
    file:///home/me/wheels
find-links = /opt/wheels
trusted-host = mirror.example.com
"""


def test_the_indexes_of_all_files_are_handed_on_but_for_what_only_this_machine_can_open() -> None:
    assert pip_config([OF_SYSTEM, "no ini file", OF_USER], {}, "/run/c.crt").splitlines() == [
        "[global]",
        "index-url = https://u:p@mirror.example.com/simple",
        "extra-index-url = https://more.example.com/simple",
        "trusted-host = mirror.example.com",
        "timeout = 60",
        "cert = /run/c.crt",
        "disable-pip-version-check = true",
    ]


def test_variables_win_over_files() -> None:
    text = pip_config([OF_SYSTEM], {"PIP_INDEX_URL": "https://other.example.com/simple"}, None)
    assert "index-url = https://other.example.com/simple\n" in text
    assert "cert" not in text


def test_a_variable_cannot_add_settings() -> None:
    text = pip_config([], {"PIP_INDEX_URL": "https://h/simple\nproxy = x", "PIP_TIMEOUT": "9\nproxy = x"}, None)
    assert not any(line.startswith("proxy") for line in text.splitlines())


def test_passwords_are_in_mounted_files_and_not_in_arguments(tmp_path: Path) -> None:
    environ = {"PIP_INDEX_URL": "https://u:hunter2@h/simple", "HTTPS_PROXY": "http://u:hunter2@proxy:3128"}
    for tool in ("podman", "docker"):
        assert "hunter2" not in " ".join(build_settings(tool, environ, tmp_path))
    assert "hunter2" in (tmp_path / "pip.conf").read_text()
    assert build_settings("docker", environ, tmp_path) == ["--build-arg", "HTTPS_PROXY"]


def test_what_is_mounted_can_only_be_read(tmp_path: Path) -> None:
    arguments = build_settings("podman", {}, tmp_path)
    mounts = arguments[1::2]
    assert set(arguments[::2]) == {"--volume"}
    assert all(mount.endswith(":ro") for mount in mounts)
    assert f"{tmp_path}/pip.conf:/etc/pip.conf:ro" in mounts


def test_the_certificates_that_variables_name_are_taken(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    assert certificates({"SSL_CERT_FILE": str(tmp_path / "ca.crt")}) == tmp_path / "ca.crt"
