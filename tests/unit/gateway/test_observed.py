"""What HAProxy's answers say."""

from penstock.gateway.config import description
from penstock.gateway.observed import (
    RunningServer,
    parse_active,
    parse_map,
    parse_old_workers,
    parse_servers,
    parse_structure,
)

STATES = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port
5 fraud.blue 1 up - 2 0 1 0
5 fraud.blue 2 drains - 2 8 1 0
5 fraud.blue 3 leaves - 0 1 1 0
5 fraud.blue 4 down 127.0.0.1 0 0 1 40001

"""
PROCESSES = """#<PID>          <type>          <reloads>       <uptime>        <version>
1               master          2 [failed: 0]   0d00h01m26s     2.8.25
# workers
10              worker          0               0d00h00m00s     2.8.25
# old workers
8               worker          1               0d00h00m10s     2.8.25
9               worker          2               0d00h00m10s     2.8.25
# programs

"""


def test_states_of_servers_are_told_apart() -> None:
    assert parse_servers(STATES) == (
        RunningServer(backend="fraud.blue", name="up", up=True),
        RunningServer(backend="fraud.blue", name="drains", up=True, draining=True),
        RunningServer(backend="fraud.blue", name="leaves", up=False, in_maintenance=True),
        RunningServer(backend="fraud.blue", name="down", up=False, port=40001),
    )


def test_active_requests_are_those_at_work_and_those_that_wait() -> None:
    text = "# pxname,svname,qcur,qmax,scur,\ngateway,FRONTEND,,,7,\nb,a,1,0,2,\nb,b,,,,\nb,BACKEND,3,0,2,\n\n"
    assert parse_active(text) == {"a": 3, "b": 0}


def test_only_workers_from_before_a_reload_are_old() -> None:
    assert parse_old_workers(PROCESSES) == (8, 9)
    assert parse_old_workers(PROCESSES.replace("# old workers", "")) == ()


def test_the_structure_is_read_as_it_was_written() -> None:
    structure = {"gateway": "ab", "slots": "4", "fraud.blue": "cd"}
    assert parse_structure(f"Name: HAProxy\ndescription: {description(structure)}\nPid: 1\n") == structure
    assert parse_structure("Name: HAProxy\n") == {}


def test_entries_of_a_map_are_read_and_errors_are_none() -> None:
    assert parse_map("0x5 a:B primary\n0x6 c 90|x|100|y\n\n") == {"a:B": "primary", "c": "90|x|100|y"}
    assert parse_map("Unknown map identifier. Please use #<id> or <file>.\n") == {}
