"""The service that is deployed: pods of one task that does nothing, each with a volume."""

import tempfile
from pathlib import Path

from holdfast.service.load import load
from holdfast.service.model import ServiceSpec

SVC_YML = """\
name: bench
scheduler:
  user: root
  zookeeper: {zookeeper}
pods:
  node:
    count: {pods}
    placement: '{placement}'
    tasks:
      server:
        goal: RUNNING
        cmd: exec sleep 1000000
        cpus: 0.1
        memory: 32
        volume: {{path: data, type: ROOT, size: 25}}
plans:
  deploy:
    strategy: parallel
    phases:
      node-deploy: {{strategy: parallel, pod: node}}
"""


def write(path: Path, pods: int, zookeeper: str = "localhost:2181", placement: str = "[]") -> Path:
    """The svc.yml of so many pods, written to `path`. `placement` is Marathon's, as JSON."""
    text = SVC_YML.format(pods=pods, zookeeper=zookeeper, placement=placement)
    path.write_text(text)
    return path


def service(pods: int) -> ServiceSpec:
    """The same, loaded."""
    with tempfile.TemporaryDirectory() as folder:
        return load(write(Path(folder) / "svc.yml", pods), {})
