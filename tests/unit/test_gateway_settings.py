"""What an operator may say, and the sentence that follows what they may not."""

from pathlib import Path

import pytest

from gateway.settings import OPTIONS, BackendKind, Misconfigured, Settings, read


def test_nothing_said_means_loopback_and_the_platforms_data_folder() -> None:
    settings = read([], {})
    assert (settings.host, settings.port) == ("127.0.0.1", 8700)
    assert settings.data_dir.parts[-2:] == ("mcpdeck", "gateway")
    assert settings.allow_private_urls is None
    assert settings.backend is BackendKind.PROCESS


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:80", "::1", 80),
        (":8700", "0.0.0.0", 8700),
        ("9000", "127.0.0.1", 9000),
        ("gateway.internal:1", "gateway.internal", 1),
    ],
)
def test_bind_is_read(text: str, host: str, port: int) -> None:
    settings = read(["--bind", text], {})
    assert (settings.host, settings.port) == (host, port)


def test_flag_goes_before_its_variable() -> None:
    environ = {"MCPDECK_GATEWAY_BIND": "127.0.0.1:1", "MCPDECK_GATEWAY_DRAIN": "3", "PATH": "/bin"}
    settings = read(["--bind", "127.0.0.1:2"], environ)
    assert (settings.port, settings.drain) == (2, 3.0)


def test_repeated_flags_and_commas_in_a_variable_are_lists() -> None:
    flags = read(["--allow-host", "A.example", "--allow-host", "b.example"], {})
    variable = read([], {"MCPDECK_GATEWAY_ALLOW_HOST": "a.example, b.example"})
    assert flags.allow_hosts == variable.allow_hosts == {"a.example", "b.example"}


def test_roles_are_a_list() -> None:
    assert read(["--create-roles", "Ops, mcp.Admin"], {}).create_roles == ("Ops", "mcp.Admin")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--bind", "localhost:http"], "--bind localhost:http: wanted HOST:PORT"),
        (["--bind", "127.0.0.1:70000"], "wanted HOST:PORT"),
        (["--max-body", "1k"], "--max-body 1k: wanted a whole number"),
        (["--workers", "0"], "--workers 0: wanted 1 to 64"),
        (["--max-streams", "many"], "--max-streams many: wanted a whole number, 0 or more"),
        (["--drain", "soon"], "--drain soon: wanted seconds"),
        (["--drain", "inf"], "--drain inf: wanted seconds"),
        (["--pod-drain", "0.5"], "--pod-drain 0.5: wanted whole seconds, 1 to 3600"),
        (["--backend", "docker"], "--backend docker: wanted process or kubernetes"),
        (["--allow-private-urls", "maybe"], "--allow-private-urls maybe: wanted yes or no"),
        (["--log-level", "loud"], "--log-level loud: wanted debug"),
        (["--tls-certificate", "x.pem"], "--tls-certificate and --tls-key go together"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_wanted(arguments: list[str], sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        read(arguments, {})


def test_misspelt_variable_does_not_pass_unseen() -> None:
    with pytest.raises(Misconfigured, match="MCPDECK_GATEWAY_BNID: no such setting"):
        read([], {"MCPDECK_GATEWAY_BNID": "127.0.0.1:1"})


def test_every_option_changes_a_setting() -> None:
    said = {
        "bind": "127.0.0.2:1",
        "data_dir": "elsewhere",
        "seal_keys": "elsewhere",
        "backend": "kubernetes",
        "dev_roles": "x",
        "create_roles": "x",
        "identity_roles": "x",
        "allow_host": "x",
        "allow_origin": "https://x",
        "allow_private_urls": "no",
        "allow_http_urls": "yes",
        "pass_env": "HF_HOME",
        "anonymous": "/docs",
        "max_body": "2048",
        "max_head": "2048",
        "max_headers": "10",
        "max_event": "2048",
        "max_connections": "10",
        "max_connections_per_peer": "10",
        "max_streams": "0",
        "max_sessions": "0",
        "max_parked": "0",
        "max_requests": "0",
        "request_time": "1",
        "workers": "2",
        "token_budget": "10",
        "keep_alive": "1",
        "notice": "1",
        "drain": "1",
        "audit": "-",
        "recordings": "off",
        "max_recordings": "2048",
        "kubeconfig": "elsewhere",
        "cluster_context": "x",
        "cluster_namespace": "x",
        "runner_image": "x",
        "registry": "x",
        "pull_policy": "Always",
        "pull_secret": "x",
        "workload_account": "x",
        "pod_drain": "1",
        "log_level": "debug",
    }
    files = {"--tls-certificate", "--tls-key"}
    plain: Settings = read([], {})
    for option in OPTIONS:
        if option.flag not in files:
            assert read([option.flag, said[option.name]], {}) != plain, option.flag
    both = read(["--tls-certificate", "c", "--tls-key", "k"], {})
    assert (both.tls_certificate, both.tls_key) == (Path("c"), Path("k"))
