"""Ray is reached from its own machine, or with its token."""

from pathlib import Path

import pytest

from deploy.ray_access import secure_ray
from s3k_dist.errors import AccessError


@pytest.mark.parametrize("address", ["10.0.0.5:6379", "head:6379", "ray://head:10001"])
def test_a_cluster_beyond_the_machine_wants_a_token(address: str, tmp_path: Path) -> None:
    environment = {"RAY_ADDRESS": address, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    with pytest.raises(AccessError, match="set RAY_AUTH_MODE=token on every node and here"):
        secure_ray(environment)
    environment["RAY_AUTH_MODE"] = "token"
    with pytest.raises(AccessError, match=r"expected the token of the Ray cluster at .* in RAY_AUTH_TOKEN or the file"):
        secure_ray(environment)
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(AccessError, match="others may read the token of the Ray cluster: run chmod 600"):
        secure_ray(environment)
    (tmp_path / "token").chmod(0o440)  # as Kubernetes hands over a secret
    secure_ray(environment)
    del environment["RAY_AUTH_TOKEN_PATH"]
    secure_ray(environment | {"RAY_AUTH_TOKEN": "secret"})


def test_a_cluster_of_the_machine_gets_a_token_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "ray" / "token"
    environment = {"RAY_AUTH_TOKEN_PATH": str(path)}
    secure_ray(environment)
    token = path.read_text()
    assert len(token) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    secure_ray(environment)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == token
    secure_ray({"RAY_ADDRESS": "127.0.0.1:6379"})
