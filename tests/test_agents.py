"""What agents are made of.

The image, its entrypoint, and what Prefect's workers of Docker and Kubernetes make of prefect.yaml.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from docker.models.containers import _create_container_args
from kubernetes_asyncio.client import ApiClient, BatchV1Api
from ruamel.yaml import YAML

import flows.process.environment  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.steps import core
from prefect.events.clients import NullEventsClient
from prefect.runner._workspace_resolver import prepare_workspace
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.utilities.schema_tools import validate
from prefect.utilities.templating import apply_values
from prefect_docker.worker import DockerWorker, DockerWorkerJobConfiguration
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

from flows.pipeline import crashed
from flows.server import deploying, ui

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "admin:not-for-manifests"
ENVIRONMENT = {
    "SLIPWAY_IMAGE": "slipway:1",
    "SLIPWAY_GIT_REMOTE": "ssh://git.example/slipway.git",
    "SLIPWAY_DVC_REMOTE": "s3://bucket/slipway",
    "SLIPWAY_GIT_BRANCH": "main",
}
SETTINGS = {PREFECT_API_URL: "http://prefect.example:4200/api", PREFECT_API_AUTH_STRING: PASSWORD}
USER = 10001
POOL: dict[str, Any] = json.loads((ROOT / "agents" / "kubernetes.json").read_text())
DEPLOYMENTS: dict[str, Any] = {
    one["name"]: one for one in YAML(typ="safe").load(ROOT / "prefect.yaml")["deployments"]
}


def variables(deployment: str) -> dict[str, Any]:
    """The job variables as `prefect deploy` sends them."""
    with patch.dict(os.environ, ENVIRONMENT):
        pool: Any = apply_values(DEPLOYMENTS[deployment]["work_pool"], {}, remove_notset=False)
    assert "{{" not in json.dumps(pool)
    assert pool["name"] == deployment.removeprefix("compress-in-")
    variables: dict[str, Any] = pool["job_variables"]
    return variables


def prepared(kind: type[Any], template: dict[str, Any], deployment: str) -> Any:
    """The worker's job for a run of the deployment."""
    schema = template["variables"] | {"additionalProperties": False}
    assert validate(variables(deployment), schema) == []
    with temporary_settings(updates=SETTINGS):
        configuration = asyncio.run(kind.from_template_and_values(template, variables(deployment)))
        configuration.prepare_for_flow_run(FlowRun(flow_id=uuid4(), name="smart-ox"))
    return configuration


# prefect.yaml


def test_make_ui_deploys_what_its_own_workers_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert {
        "compress-in-docker",
        "compress-in-kubernetes",
        "compress-on-gpu",
        "compress-on-cpu",
    } <= DEPLOYMENTS.keys()
    assert {"compress/compress-on-gpu", "compress/compress-on-cpu"} <= set(
        deploying.deployments(tuple(ui.LIMITS))
    )
    assert not {"compress/compress-in-docker", "compress/compress-in-kubernetes"} & set(
        deploying.deployments(tuple(ui.LIMITS))
    )


def test_runs_in_containers_are_not_swept_while_their_image_is_fetched() -> None:
    assert not {"docker", "kubernetes"} & set(crashed.POOLS)


@pytest.mark.parametrize("deployment", ["compress-in-docker", "compress-in-kubernetes"])
def test_runs_in_containers_work_in_the_checkout_and_not_in_a_copy(
    deployment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "flows", checkout / "flows")
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(core, "get_events_client", lambda **_: NullEventsClient())
    told = DEPLOYMENTS[deployment]
    asked: Any = SimpleNamespace(
        id=uuid4(),
        name=deployment,
        path=None,
        storage_document_id=None,
        entrypoint=told["entrypoint"],
        pull_steps=told["pull"],
    )
    run: Any = FlowRun(flow_id=uuid4(), name="smart-ox")
    with temporary_settings(updates={**SETTINGS, PREFECT_LOGGING_TO_API_ENABLED: False}):
        found = asyncio.run(prepare_workspace(None, run, asked, tmp_path / "copy"))  # type: ignore[arg-type]
    assert (found.working_directory, list((tmp_path / "copy").iterdir())) == (checkout, [])


def test_docker_gets_a_container_with_gpus_and_without_privileges() -> None:
    job = prepared(
        DockerWorkerJobConfiguration, DockerWorker.get_default_base_job_template(), "compress-in-docker"
    )
    settings = DockerWorker("docker", test_mode=True)._build_container_settings(None, job)
    sent = _create_container_args({**settings, "version": "1.40"})
    host = sent["host_config"]
    assert (sent["image"], sent["command"]) == ("slipway:1", "prefect flow-run execute")
    assert host["DeviceRequests"] == [
        {"Driver": "", "Count": -1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    ]
    assert (host["CapDrop"], host["SecurityOpt"], host["ShmSize"]) == (
        ["ALL"],
        ["no-new-privileges"],
        4 << 30,
    )
    assert host["Binds"] == ["slipway-cache:/home/slipway/cache"]
    assert not host.get("Privileged")
    assert not host.get("AutoRemove"), (
        "of a container that is gone the worker cannot tell whether it was killed"
    )
    assert in_container(sent["environment"])


def test_kubernetes_gets_a_job_with_a_gpu_as_a_plain_user() -> None:
    job = prepared(KubernetesWorkerJobConfiguration, POOL, "compress-in-kubernetes")
    pod = job.job_manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1}
    assert container["args"] == ["prefect", "flow-run", "execute"]
    assert "command" not in container, (
        "it would take the place of the image's entrypoint, which brings the checkout"
    )
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, USER)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    written = {instructions()["ENV"]["HOME"], "/home/slipway/cache", "/tmp", "/dev/shm"}  # noqa: S108
    assert set(mounts) == written
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
    assert in_container({one["name"]: one["value"] for one in container["env"]})


def test_kubernetes_knows_every_field_of_the_job() -> None:
    manifest = prepared(KubernetesWorkerJobConfiguration, POOL, "compress-in-kubernetes").job_manifest

    async def known() -> Any:
        async with ApiClient() as client:
            return client.sanitize_for_serialization(
                client.deserialize(SimpleNamespace(data=json.dumps(manifest)), "V1Job")
            )

    pod = "/spec/template/spec"  # where Prefect wants these two, and Kubernetes passes over them
    assert fields(manifest) - fields(asyncio.run(known())) == {f"{pod}/completions", f"{pod}/parallelism"}


def test_the_password_of_the_server_stands_in_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the worker set up as docs/agents.md says."""
    sent: list[dict[str, Any]] = []

    async def create(_self: BatchV1Api, _namespace: str, body: dict[str, Any]) -> None:
        sent.append(body)

    docs = (ROOT / "docs" / "agents.md").read_text()
    told = dict(
        re.findall(r"(PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_\w+)=(\S+)", docs)
    )
    assert len(told) == 2
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(BatchV1Api, "create_namespaced_job", create)
    job = prepared(KubernetesWorkerJobConfiguration, POOL, "compress-in-kubernetes")
    assert PASSWORD in json.dumps(job.job_manifest)

    async def submit() -> None:
        async with ApiClient() as client:
            await KubernetesWorker("kubernetes")._create_job(job, client)

    asyncio.run(submit())
    assert PASSWORD not in json.dumps(sent)
    reference = {
        "name": POOL["variables"]["properties"]["secret"]["default"],
        "key": "PREFECT_API_AUTH_STRING",
    }
    assert {"name": "PREFECT_API_AUTH_STRING", "valueFrom": {"secretKeyRef": reference}} in environment_of(
        sent[0]
    )


def environment_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    environment: list[dict[str, Any]] = manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    return environment


def in_container(environment: dict[str, str]) -> bool:
    """The environment is what the entrypoint and Prefect need there."""
    assert environment["PREFECT_API_URL"] == "http://prefect.example:4200/api"
    assert environment["PREFECT_HOME"] == instructions()["ENV"]["PREFECT_HOME"], (
        "not that of the worker's machine"
    )
    assert {
        name: environment[name] for name in ENVIRONMENT if name != "SLIPWAY_IMAGE"
    }.items() <= ENVIRONMENT.items()
    read = set(re.findall(r"SLIPWAY_\w+", (ROOT / "agents" / "entrypoint").read_text()))
    assert {name for name in environment if name.startswith("SLIPWAY_")} <= read
    return True


def fields(value: Any, path: str = "") -> set[str]:
    """The paths of all that is neither an object nor a list."""
    pairs = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    return {path} if pairs is None else set().union(*(fields(one, f"{path}/{key}") for key, one in pairs))


# The image


def instructions() -> dict[str, Any]:
    """Of the Dockerfile.

    ENV as a dict, COPY as a list of sources and targets, of pip the call, of all others the last.
    """
    text = re.sub(
        r"\\\n\s*", "", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    )
    found: dict[str, Any] = {"ENV": {}, "COPY": []}
    for keyword, rest in re.findall(r"^([A-Z]+) (.*)$", text, flags=re.MULTILINE):
        match keyword:
            case "ENV":
                found["ENV"].update(word.split("=", 1) for word in shlex.split(rest))
            case "COPY":
                found["COPY"].append(rest.split())
            case "RUN" if "-m pip install" in rest:
                found["PIP"] = rest
            case _:
                found[keyword] = rest
    return found


def test_the_image_is_a_worker_without_root() -> None:
    image = instructions()
    assert image["USER"] == f"{USER}:{USER}", "a number: Kubernetes cannot tell whether a name is root"
    assert json.loads(image["CMD"]) == ["python", "-m", "flows.server.worker", "gpu"]
    assert json.loads(image["ENTRYPOINT"]) == ["tini", "-s", "--", "slipway-entrypoint"]
    assert ["agents/entrypoint", "/usr/local/bin/slipway-entrypoint"] in image["COPY"]
    assert os.access(ROOT / "agents" / "entrypoint", os.X_OK)
    shared = image["ENV"].keys() & flows.process.environment.DEFAULTS.keys() - {"PREFECT_HOME"}
    assert len(shared) == 4
    assert {name: image["ENV"][name] for name in shared} == {
        name: flows.process.environment.DEFAULTS[name] for name in shared
    }


@pytest.mark.slow
def test_what_the_image_copies_suffices_for_a_worker_and_a_run(tmp_path: Path) -> None:
    copies = [(source, target) for *sources, target in instructions()["COPY"] for source in sources]
    let_through = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    assert sorted(source for source, _ in copies) == sorted(let_through)
    for source, target in copies:
        assert list(ROOT.glob(source)), source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
    command = "import flows.server.worker, flows.compress, tasks.__main__"
    assert f'python -c "{command}"' in instructions()["RUN"]
    env = {**os.environ, "PREFECT_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, env=env, check=True)


def test_the_image_installs_locks_that_pin_what_agents_need() -> None:
    locks = re.findall(r"-r (\w+\.lock)", instructions()["PIP"])
    assert locks == ["tasks.lock", "flows.lock", "agents.lock"]
    pinned = [
        line.partition("==")[0]
        for lock in locks
        for line in (ROOT / "requirements" / lock).read_text().splitlines()
    ]
    assert {"torch", "dvc", "prefect", "dvc-s3", "prefect-docker", "prefect-kubernetes"} <= set(pinned)
    assert len(pinned) == len(set(pinned))
