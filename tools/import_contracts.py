"""Kinds of import contracts that import-linter does not bring along; `.importlinter` uses them."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from typing_extensions import override


class ForbiddenImport(NamedTuple):
    importer: str
    imported: str
    line: int


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


class PublicDoorContract(Contract):
    """Whoever is outside a domain imports its door only, but for the entrances that composition needs.

    Options:
        domains: the package whose children are the domains; a new child is covered by being there.
        door: the module that anyone may import.
        entrances: `importer: module module`, what that importer may import of every domain besides.
    """

    type_name = "public_door"

    domains = fields.StringField()
    door = fields.StringField()
    entrances = fields.ListField(subfield=fields.StringField(), required=False)

    @override
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        forbidden = sorted(set(self._forbidden_imports(graph)))
        return ContractCheck(kept=not forbidden, metadata={"forbidden": forbidden})

    @override
    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported, line in check.metadata["forbidden"]:
            owner = imported.removeprefix(f"{self.domains}.").partition(".")[0]
            output.print_error(
                f"{importer} is not allowed to import {imported} (l.{line}): "
                f"use {self.domains}.{owner}.{self.door}, an event, or a Protocol in contracts.",
                bold=False,
            )

    def _forbidden_imports(self, graph: ImportGraph) -> Iterator[ForbiddenImport]:
        entrances = self._entrances_by_importer()
        for imported in graph.find_descendants(str(self.domains)):
            owner, _, inner = imported.removeprefix(f"{self.domains}.").partition(".")
            face = inner.partition(".")[0]
            if face == self.door:
                continue
            for importer in graph.find_modules_that_directly_import(imported):
                welcome = _is_within(importer, f"{self.domains}.{owner}") or any(
                    _is_within(importer, package) and face in faces for package, faces in entrances.items()
                )
                if not welcome:
                    details = graph.get_import_details(importer=importer, imported=imported)
                    yield ForbiddenImport(importer, imported, min(each["line_number"] for each in details))

    def _entrances_by_importer(self) -> dict[str, list[str]]:
        lines = cast("list[str]", self.entrances or [])  # the base class puts values where the fields stood
        return {package.strip(): faces.split() for package, _, faces in (line.partition(":") for line in lines)}


class NoCyclesContract(Contract):
    """No chain of imports leads from a module back to itself."""

    type_name = "no_cycles"

    @override
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        imports = {module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1]
            return ContractCheck(kept=False, metadata={"cycle": cycle[::-1]})
        return ContractCheck(kept=True, metadata={"cycle": []})

    @override
    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error(f"Imported in a circle: {' -> '.join(check.metadata['cycle'])}", bold=False)
