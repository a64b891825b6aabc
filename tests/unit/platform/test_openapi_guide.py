"""The endpoint that the guide shows is one."""

import re
import sys
import types
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from agon.platform.http.openapi.describe import describe
from tests.unit.platform.openapi_sample import described

GUIDE = Path(__file__).resolve().parents[3] / "docs/platform/http.md"


def test_the_example_of_the_guide_is_described(monkeypatch):
    (source,) = re.findall(r"```python endpoint\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    module = types.ModuleType("guide")
    monkeypatch.setitem(sys.modules, "guide", module)  # where Litestar looks up annotations
    exec(compile(source, str(GUIDE), "exec"), module.__dict__)
    errors = {"CLUBS_NAME_TAKEN": module.ClubNameTaken}
    description = describe(described(module.ROUTES), errors)
    assert list(OpenAPIV31SpecValidator(description).iter_errors()) == []
    found = description["paths"]["/api/v1/clubs"]["post"]
    assert (found["operationId"], found["x-permission"]) == ("clubs.found", "player")
    assert {"CLUBS_NAME_TAKEN", "CLUBS_VALIDATION_ERROR", "AUTH_FORBIDDEN"} <= set(found["x-error-codes"])
    listed = description["paths"]["/api/v1/clubs/{club_id}/members"]["get"]
    assert [each["name"] for each in listed["parameters"]] == ["club_id", "limit", "cursor"]
