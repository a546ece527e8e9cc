"""Paths of jobs over HTTP."""

from starlette.routing import Match

from penstock.api.jobs import router


def test_an_output_may_have_any_name_that_a_file_may_have() -> None:
    for name in ("score/predictions.csv", "score/new\nline.csv", "score/a b/?.csv"):
        scope = {"type": "http", "method": "GET", "path": f"/jobs/april/outputs/{name}"}
        taken = [route for route in router.routes if route.matches(scope)[0] is Match.FULL]
        assert [route.matches(scope)[1]["path_params"]["path"] for route in taken] == [name]
