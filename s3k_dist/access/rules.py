"""Who may call what: every method of every gRPC service of the project, by its name. What is not here nobody may call.

A cell may use the robot of its own name and claim its own name alone; an operator may drive every robot.
"""

from dataclasses import dataclass

from s3k_dist.access.identity import Part

FEATURES, ROBOT, SIMULATOR = "s3k_dist.v1.FeatureService", "s3k_dist.v1.RobotDriver", "s3k_dist.v1.Simulator"
HEALTH, REFLECTION = "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"
_SEES = frozenset({Part.CELL, Part.SERVICE, Part.OPERATOR})
_DRIVES = frozenset({Part.CELL, Part.OPERATOR})
_ANYBODY = frozenset(Part)


@dataclass(frozen=True)
class Rule:
    """Of one method.

    Attributes:
        parts: who may call it.
        own: a cell only where the server has the cell's name.
        always: also for a peer that has called too often: nothing keeps anybody from stopping a robot.
    """

    parts: frozenset[Part]
    own: bool = False
    always: bool = False


RULES: dict[str, Rule] = {
    **{f"/{FEATURES}/{method}": Rule(_SEES) for method in ("Extract", "ExtractStream", "GetModel")},
    **{
        f"/{ROBOT}/{method}": Rule(_DRIVES, own=True)
        for method in ("Describe", "WatchState", "Command", "Home", "Grip", "Resume")
    },
    f"/{ROBOT}/Stop": Rule(_DRIVES, own=True, always=True),
    **{f"/{SIMULATOR}/{method}": Rule(_DRIVES, own=True) for method in ("Snapshot", "Arrange")},
    **{f"/{HEALTH}/{method}": Rule(_ANYBODY) for method in ("Check", "List", "Watch")},
    f"/{REFLECTION}/ServerReflectionInfo": Rule(frozenset({Part.SERVICE, Part.OPERATOR})),
}
