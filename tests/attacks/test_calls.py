"""Every method of every service, called by everybody who may not: whoever adds a method has to say who may call it."""

from itertools import product

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from s3k_dist.access.audit import AuditLog, read_audit
from s3k_dist.access.identity import Part
from s3k_dist.access.rules import FEATURES, HEALTH, REFLECTION, ROBOT, RULES, SIMULATOR
from s3k_dist.v1 import robot_pb2, service_pb2, simulator_pb2
from tests.attacks.targets import PATIENCE_S, Installation, code_of, dial

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service
    for module in (service_pb2, robot_pb2, simulator_pb2, health_pb2, reflection_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)
METHODS = [(service, method) for service in SERVICES for method in service.methods]
SERVED = {"features": (FEATURES, HEALTH, REFLECTION), "robot": (ROBOT, SIMULATOR, HEALTH)}
NAMES = {Part.CELL: "bench2", Part.ROBOT: "bench2"}  # of another bench than the robot that is attacked


def path_of(service: ServiceDescriptor, method: MethodDescriptor) -> str:
    return f"/{service.full_name}/{method.name}"


def call(channel: grpc.Channel, service: ServiceDescriptor, method: MethodDescriptor) -> grpc.StatusCode:
    """What an empty request of this method is answered with."""
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    made = getattr(channel, kind)(
        path_of(service, method),
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    said = iter([request()]) if method.client_streaming else request()
    if method.server_streaming:
        return code_of(lambda: next(iter(made(said, timeout=PATIENCE_S)), None))
    return code_of(lambda: made(said, timeout=PATIENCE_S))


def test_every_method_has_a_rule_and_every_rule_a_method() -> None:
    assert {path_of(service, method) for service, method in METHODS} == set(RULES)
    assert {service.full_name for service in SERVICES} == {FEATURES, ROBOT, SIMULATOR, HEALTH, REFLECTION}


@pytest.mark.parametrize("target", ["features", "robot"])
def test_nobody_without_a_certificate_is_answered_by_any_method(
    target: str, request: pytest.FixtureRequest, installation: Installation
) -> None:
    address = request.getfixturevalue(target)
    with dial(address, None, "") as channel:
        for service, method in METHODS:
            assert call(channel, service, method) is grpc.StatusCode.UNAVAILABLE, path_of(service, method)


@pytest.mark.parametrize("target", ["features", "robot"])
def test_only_those_of_the_rules_are_answered(
    target: str, request: pytest.FixtureRequest, installation: Installation
) -> None:
    address = request.getfixturevalue(target)
    server = "robot.s3k" if target == "robot" else "service.s3k"
    for part in Part:
        credentials = installation.credentials(f"{part.value}/{NAMES.get(part, 'eve')}")
        with dial(address, credentials, server) as channel:
            for service, method in METHODS:
                rule = RULES[path_of(service, method)]
                other_bench = rule.own and part is Part.CELL
                may = part in rule.parts and not other_bench
                here = service.full_name in SERVED[target]
                if not here or (may and method.name in ("Stop", "Resume", "Home")):
                    continue  # not served here; or it would do what it says
                code = call(channel, service, method)
                where = f"{part.value} calls {path_of(service, method)}: {code}"
                assert (code is grpc.StatusCode.PERMISSION_DENIED) == (not may), where


def test_a_method_that_nobody_knows_is_not_served(features: str, robot: str, installation: Installation) -> None:
    for address, server in ((features, "service.s3k"), (robot, "robot.s3k")):
        with dial(address, installation.credentials("operator/anna"), server) as channel:
            for name in (f"/{ROBOT}/Reset", "/nonsense/Nothing", f"/{FEATURES}/extract"):
                made = channel.unary_unary(name, lambda data: data, lambda data: data)
                assert code_of(lambda made=made: made(b"", timeout=PATIENCE_S)) is grpc.StatusCode.UNIMPLEMENTED  # type: ignore[misc]


def test_what_was_refused_is_in_the_audit_log_once_and_by_name(
    robot: str, audit: AuditLog, installation: Installation
) -> None:
    stop = robot_pb2.DESCRIPTOR.services_by_name["RobotDriver"].methods_by_name["Stop"]
    with dial(robot, installation.credentials("cell/mallory"), "robot.s3k") as channel:
        for _ in range(20):
            assert call(channel, stop.containing_service, stop) is grpc.StatusCode.PERMISSION_DENIED
    (entry,) = [entry for entry in read_audit(audit.path) if entry.who == "cell/mallory"]
    assert entry.action == "call.refused"
    assert entry.facts["method"] == f"/{ROBOT}/Stop"
    assert "a cell has the robot of its own name" in entry.facts["reason"]


def test_no_two_parts_share_a_server_name() -> None:
    from s3k_dist.access.identity import Identity

    names = [set(Identity(part, name).server_names) for part, name in product(Part, ("a", "b"))]
    assert all(not (one & other) or len(one & other) == 1 for one, other in product(names, names) if one is not other)
    assert Identity(Part.CELL, "a").expects(Part.ROBOT) not in Identity(Part.ROBOT, "b").server_names
