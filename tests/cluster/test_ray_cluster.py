import sys

import pytest

from curate.cluster.ray_cluster import Cluster, connect
from curate.errors import RunError, UsageError


def test_without_ray_one_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'curate-seg\[ray\]'"), connect(Cluster()):
        pass


@pytest.mark.ray
@pytest.mark.slow
def test_without_a_cluster_one_is_started_and_ended():
    ray = pytest.importorskip("ray", reason="ray is not installed")
    with pytest.raises(UsageError, match="no 4096 CPUs"), connect(Cluster(cpus=4096)):
        pass
    with connect(Cluster(cpus=0.5)) as joined:
        assert joined is ray
        assert ray.is_initialized()
    assert not ray.is_initialized()


@pytest.mark.ray
@pytest.mark.slow
def test_address_without_a_cluster_is_told():
    pytest.importorskip("ray", reason="ray is not installed")
    cluster, match = Cluster("127.0.0.1:1"), r"no Ray cluster answers at 127\.0\.0\.1:1 "
    with pytest.raises(RunError, match=match), connect(cluster):
        pass
