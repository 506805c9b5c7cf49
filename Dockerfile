# An agent: a worker of the pool `gpu` in a container of its own, or what a Docker or Kubernetes pool starts for one run. docs/agents.md
#
#   docker build --tag slipway:1 .
#
# BASE need not bring more of CUDA than the driver's conditions: torch's wheel for Linux carries its own libraries.
ARG BASE=nvidia/cuda:13.0.0-base-ubuntu22.04
FROM ${BASE}

ARG PYTHON=python3.11
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates git openssh-client tini ${PYTHON} ${PYTHON}-venv \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*' \
    && groupadd --gid 10001 slipway \
    && useradd --uid 10001 --gid slipway --create-home slipway

# More than the locks hold, as pip takes it: --build-arg EXTRAS="-r ner.lock -r images.lock dvc-gs dvc-ssh"
ARG EXTRAS=""
WORKDIR /opt/slipway/requirements
COPY requirements/*.lock ./
COPY requirements/hashed hashed
# A private index, with its keys, comes as a secret and stays out of the image: --secret id=pip,src=pip.conf
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    ${PYTHON} -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r hashed/tasks.txt -r hashed/flows.txt -r hashed/agents.txt \
    && /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        -r tasks.lock -r flows.lock -r agents.lock ${EXTRAS}
# The first four are what flows/process/environment.py sets, which the command of a Docker or Kubernetes pool imports too late.
ENV DO_NOT_TRACK=1 \
    DVC_NO_ANALYTICS=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES=false \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_VISIBLE_DEVICES=all \
    PATH=/opt/venv/bin:$PATH \
    PREFECT_HOME=/home/slipway/.prefect \
    PYTHONUNBUFFERED=1

# The code that runs is the checkout's. This copy is there to prove, while the image is built, that what is installed suffices for it.
WORKDIR /opt/slipway
COPY flows flows
COPY tasks tasks
COPY agents/entrypoint /usr/local/bin/slipway-entrypoint

USER 10001:10001
ENV HOME=/home/slipway
RUN python -c "import flows.server.worker, flows.compress, tasks.__main__" && mkdir ~/checkout ~/cache
WORKDIR /home/slipway
# Whether an agent lives is seen at the server, to which it reports every 30 seconds; hence no HEALTHCHECK. tini reaps what runs leave.
ENTRYPOINT ["tini", "-s", "--", "slipway-entrypoint"]
CMD ["python", "-m", "flows.server.worker", "gpu"]
