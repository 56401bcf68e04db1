"""The pages' frame, and the files that they load: all of it from this package, nothing from elsewhere."""

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from deploy.report.palette import DARK, LIGHT, style_sheet_variables
from s3k_dist.access.tokens import Holder, Role

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Pages:
    """Renders templates.

    Args:
        project: name of what the pages show.
        shown: address and title of each page, in the order of the navigation.
    """

    def __init__(self, project: str, shown: dict[str, str]) -> None:
        self._project = project
        self._shown = shown
        self._environment = Environment(
            loader=PackageLoader("deploy.web", "templates"), autoescape=True, undefined=StrictUndefined
        )

    def render(self, template: str, page: str, holder: Holder | None) -> str:
        """One page for one person."""
        return self._environment.get_template(template).render(
            project=self._project,
            shown=self._shown,
            page=page,
            holder=holder,
            may_label=holder is not None and holder.role >= Role.LABELLER,
            may_operate=holder is not None and holder.role >= Role.OPERATOR,
        )


def static_files() -> dict[str, tuple[bytes, str]]:
    """Content and media type of each file that a page loads, by name."""
    found = {
        entry.name: (entry.read_bytes(), KINDS[f".{entry.name.rpartition('.')[2]}"])
        for entry in (resources.files("deploy.web") / "static").iterdir()
        if f".{entry.name.rpartition('.')[2]}" in KINDS
    }
    return {**found, "palette.css": (_palette().encode(), KINDS[".css"])}


def _palette() -> str:
    """The report's colours: by the system's wish, or by the button's."""
    light, dark = style_sheet_variables(LIGHT), style_sheet_variables(DARK)
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ color-scheme: dark; {dark} }} }}\n"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}\n"
    )
