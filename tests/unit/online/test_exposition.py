"""Metrics of several instances become one text that Prometheus takes, whatever an instance writes."""

from penstock.online.exposition import labelled, merged, parse

PAGE = """
# TYPE requests_total counter
requests_total{status="2xx"} 5
requests_total{status="4xx"} 2
# TYPE stage_seconds summary
stage_seconds{stage="run",quantile="0.5"} 1e-05
stage_seconds_sum{stage="run"} 0.5
"""


def test_values_are_found_by_name_and_labels() -> None:
    page = parse(PAGE)
    assert page.value("requests_total") == 7
    assert page.value("requests_total", status="4xx") == 2
    assert page.value("stage_seconds", quantile="0.5") == 1e-05
    assert page.value("nothing") == 0


def test_each_family_stands_in_one_place_with_the_labels_of_its_instance() -> None:
    pages = [labelled(parse(PAGE), {"instance": name}) for name in ("a", "b")]
    lines = merged(pages).splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# TYPE requests_total counter",
        "# TYPE stage_seconds summary",
    ]
    assert lines[1] == 'requests_total{instance="a",status="2xx"} 5.0'
    assert lines[3] == 'requests_total{instance="b",status="2xx"} 5.0'
    assert lines[6:] == [
        'stage_seconds{instance="a",stage="run",quantile="0.5"} 1e-05',
        'stage_seconds_sum{instance="a",stage="run"} 0.5',
        'stage_seconds{instance="b",stage="run",quantile="0.5"} 1e-05',
        'stage_seconds_sum{instance="b",stage="run"} 0.5',
    ]


def test_an_instance_can_neither_break_the_text_nor_pose_as_another() -> None:
    page = parse('x{instance="other"} 1\nx{a="b"}} 2\nx{a="1" b} 3\nx many\nfree text\n# HELP x\nx{a="\\"}"} 4\n')
    told = merged([labelled(page, {"instance": 'it"s'})])
    assert told == 'x{instance="it\\"s"} 1.0\nx{instance="it\\"s",a="\\"}"} 4.0\n'
