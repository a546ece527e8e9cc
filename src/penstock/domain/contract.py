"""Data contracts: what the rows of requests to an endpoint must be, column by column and between columns."""

from typing import Any, Literal, Self

from pydantic import model_validator

from penstock.domain.resource import Frozen, Kind, Status
from penstock_worker.data_contract import DEFAULT_INPUT, ENFORCE, contract_of

Mode = Literal["enforce", "warn", "shadow"]
ColumnType = Literal["number", "integer", "boolean", "string"]


class ColumnRules(Frozen):
    """What the values of a column must be; `mode` is the contract's unless it is given."""

    type: ColumnType | None = None
    mode: Mode | None = None
    required: bool = True
    nullable: bool = False
    unique: bool = False  # within one request
    minimum: int | float | None = None
    maximum: int | float | None = None
    values: tuple[bool | int | float | str, ...] | None = None
    pattern: str | None = None  # of the whole text
    max_length: int | None = None


class RowRule(Frozen):
    """What must hold in each row: an expression over columns, such as `low <= high or high is null`."""

    name: str
    check: str
    message: str | None = None  # what callers are told was expected; the expression unless it is given
    mode: Mode | None = None


class Contract(Frozen):
    """The file of a contract. Without a `deployment_name` it holds for all deployments of the endpoint.

    `input` is the key under which the body of a request to a scoring script has the table; MLflow models need none.
    """

    type: Literal["contract"] = "contract"
    name: str | None = None
    endpoint_name: str | None = None
    deployment_name: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    mode: Mode = ENFORCE
    input: str = DEFAULT_INPUT
    columns: dict[str, ColumnRules | None] = {}
    rules: tuple[RowRule, ...] = ()

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        """What the instances would not understand is refused here, in the same words."""
        contract_of(self.document())
        names = [rule.name for rule in self.rules]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"rule {twice!r} stands here twice")
        return self

    def document(self) -> dict[str, Any]:
        """The contract as instances read it."""
        told = {"description", "tags", "type", "endpoint_name", "deployment_name"}
        return self.model_dump(mode="json", exclude=told, exclude_none=True)

    def holds_for(self, endpoint: str, deployment: str) -> bool:
        return self.endpoint_name == endpoint and self.deployment_name in (None, deployment)


class ContractStatus(Status):
    """`deployments` are those that the contract was handed to."""

    deployments: tuple[str, ...] = ()


CONTRACT: Kind[Contract, ContractStatus] = Kind("contract", Contract, ContractStatus)
