"""What the API's address shows a browser and a monitor: closed without the token, and telling what runs with it."""

from pathlib import Path

import httpx
from support.running import a_platform, write_deployment, write_endpoint


def test_the_dashboard_tells_what_runs_to_who_has_the_token(tmp_path: Path) -> None:
    with a_platform(tmp_path / "home") as platform:
        platform.run("online-endpoint", "create", "-f", write_endpoint(tmp_path, "fraud"))
        platform.run("online-deployment", "create", "-f", write_deployment(tmp_path, "fraud", "blue"), "--all-traffic")
        with httpx.Client(base_url=platform.server["url"], follow_redirects=True, timeout=60) as browser:
            closed = browser.get("/")
            assert (closed.status_code, "fraud" in closed.text) == (401, False)
            assert browser.post("/login", data={"token": "wrong"}).status_code == 401
            token = (platform.home / "token").read_text().strip()
            page = browser.post("/login", data={"token": token})
            assert page.status_code == 200
            for part in ("fraud", "blue", "Succeeded", "1 of 1", "100 %", "DeploymentReady"):
                assert part in page.text
            assert token not in page.text
            assert token not in str(browser.cookies)
            assert "default-src 'none'" in page.headers["content-security-policy"]
            browser.cookies.set("penstock_session", "0" * 64)
            assert browser.get("/").status_code == 401
            assert (browser.get("/healthz").status_code, browser.get("/readyz").status_code) == (200, 200)
            assert browser.get("/metrics").status_code == 401
            assert platform.score("fraud").status_code == 200
            metrics = browser.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            assert 'haproxy_backend_http_responses_total{proxy="fraud.blue",code="2xx"} 1' in metrics.text
