"""A contract for import-linter: other packages import an area, never a module inside it."""

from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from typing_extensions import override


class FrontDoorContract(Contract):
    """Each area may be imported from outside only as the area itself."""

    areas = fields.ListField(subfield=fields.ModuleField())

    @override
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find imports that climb in through a window."""
        names = [module.name for module in cast("list[Any]", self.areas)]
        burglaries = sorted(
            (importer, imported)
            for area in names
            for imported in graph.find_descendants(area)
            for importer in graph.find_modules_that_directly_import(imported)
            if importer != area and not importer.startswith(f"{area}.")
        )
        return ContractCheck(kept=not burglaries, metadata={"burglaries": burglaries})

    @override
    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say who did it."""
        for importer, imported in check.metadata["burglaries"]:
            output.print(f"{importer} reaches into {imported}; import the area instead.")
