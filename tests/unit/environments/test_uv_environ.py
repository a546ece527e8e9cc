"""uv sees proxies, certificates and its own settings, and nothing that leads it elsewhere."""

from penstock.environments.uv_environ import uv_environ


def test_only_what_uv_needs_is_passed(tmp_path):
    given = {
        "PATH": "/bin",
        "https_proxy": "http://proxy",
        "SSL_CERT_FILE": "/certs",
        "UV_INDEX_URL": "https://index.example/simple",
        "UV_PYTHON": "3.8",
        "VIRTUAL_ENV": "/venv",
        "PIP_INDEX_URL": "https://other.example",
        "PYTHONPATH": "/evil",
        "PENSTOCK_TOKEN": "secret",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }
    seen = uv_environ(given, "home", tmp_path / "environments")
    kept = {"PATH", "https_proxy", "SSL_CERT_FILE", "UV_INDEX_URL", "UV_CACHE_DIR"}
    assert set(seen) == kept | {"PENSTOCK_OWNER", "NO_COLOR", "UV_NO_PROGRESS", "UV_PYTHON_DOWNLOADS"}
    assert seen["PENSTOCK_OWNER"] == "home"


def test_files_are_copied_where_disks_differ(tmp_path):
    seen = uv_environ({"UV_CACHE_DIR": "/proc"}, "home", tmp_path)
    assert seen["UV_LINK_MODE"] == "copy"
    chosen = uv_environ({"UV_CACHE_DIR": "/proc", "UV_LINK_MODE": "symlink"}, "home", tmp_path)
    assert chosen["UV_LINK_MODE"] == "symlink"
