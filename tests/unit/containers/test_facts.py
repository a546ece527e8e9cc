"""How containers are run on which machine."""

from dataclasses import replace

import pytest

from penstock.containers.facts import (
    Cgroups,
    Facts,
    Host,
    can_limit,
    facts_of,
    fault_of,
    limits_for,
    network_for,
    runtime_for,
)


def a_host(*programs: str, cgroups: Cgroups = Cgroups.V2) -> Host:
    return Host(cgroups=cgroups, programs=frozenset(programs), tunnels=True, open_files=1 << 30, processes=1 << 30)


def facts(*programs: str, tool: str = "podman", rootless: bool = False, cgroups: Cgroups = Cgroups.V2) -> Facts:
    host = a_host(*programs, cgroups=cgroups)
    return Facts(tool=tool, version="5", rootless=rootless, runtime="crun", init=True, host=host)


@pytest.mark.parametrize(
    ("known", "runtime"),
    [
        pytest.param(facts("crun", "runc"), None, id="the tool's own where it works"),
        pytest.param(facts("runc", cgroups=Cgroups.V1), None, id="the tool's own on version 1 of cgroups"),
        pytest.param(facts("runc", cgroups=Cgroups.HYBRID), "runc", id="runc on hybrid cgroups, which crun refuses"),
        pytest.param(facts("runc", tool="docker", cgroups=Cgroups.HYBRID), None, id="docker decides for itself"),
    ],
)
def test_the_runtime(known: Facts, runtime: str | None) -> None:
    assert runtime_for(known) == runtime
    assert fault_of(known) is None


def test_a_runtime_that_cannot_work_is_a_fault_with_the_remedy() -> None:
    fault = fault_of(facts(cgroups=Cgroups.HYBRID))
    assert fault is not None
    assert fault.endswith("install runc")


@pytest.mark.parametrize(
    ("known", "network"),
    [
        pytest.param(facts("nft", "slirp4netns"), "bridge", id="root with a firewall gets a bridge"),
        pytest.param(facts("slirp4netns"), "slirp4netns", id="root without a firewall gets slirp4netns"),
        pytest.param(facts("nft", "pasta", rootless=True), "pasta", id="others get pasta"),
        pytest.param(facts("pasta", "slirp4netns", rootless=True), "slirp4netns", id="or slirp4netns"),
        pytest.param(facts("pasta"), "host", id="pasta is not for root"),
        pytest.param(facts(tool="docker"), "bridge", id="docker has a bridge"),
        pytest.param(facts(), "host", id="nothing is there but the host's network"),
    ],
)
def test_the_network(known: Facts, network: str) -> None:
    assert network_for(known) == network


def test_a_network_in_user_mode_needs_tunnels() -> None:
    known = facts("slirp4netns", "pasta", rootless=True)
    assert network_for(replace(known, host=replace(known.host, tunnels=False))) == "host"


def test_only_root_can_limit_containers_without_version_2_of_cgroups() -> None:
    assert can_limit(facts(rootless=True))
    assert can_limit(facts(cgroups=Cgroups.HYBRID))
    assert not can_limit(facts(rootless=True, cgroups=Cgroups.HYBRID))


def test_no_more_is_given_to_a_container_than_may_be() -> None:
    assert limits_for(facts()) == ("--ulimit", "nofile=65536:65536", "--ulimit", "nproc=20000:20000")
    poor = replace(a_host(), open_files=1024, processes=500)
    assert limits_for(replace(facts(), host=poor)) == ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=500:500")
    assert limits_for(facts(tool="docker")) == ()


def test_what_tools_say_of_themselves_is_read() -> None:
    host = a_host("catatonit")
    podman = {
        "host": {"security": {"rootless": True}, "ociRuntime": {"name": "crun"}},
        "version": {"Version": "4.3.1"},
    }
    assert facts_of("podman", podman, host) == replace(facts(rootless=True), version="4.3.1", host=host)
    docker = {"ServerVersion": "28", "DefaultRuntime": "runc", "InitBinary": "docker-init", "SecurityOptions": None}
    read = facts_of("docker", docker, host)
    assert (read.version, read.runtime, read.rootless, read.init) == ("28", "runc", False, True)


def test_a_client_without_an_engine_has_no_version() -> None:
    assert facts_of("docker", {"ServerVersion": "", "ServerErrors": ["Cannot connect"]}, a_host()).version == ""
    assert facts_of("podman", {"host": None, "version": 4}, a_host()).version == ""
