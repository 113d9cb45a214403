"""The OpenAPI document: valid, complete, and such that generators make good clients of it. Its package is its face."""

from api.contract.openapi.document import describe as describe
from api.contract.openapi.problem_schemas import problem_response as problem_response
from api.contract.openapi.refusals import by_status as by_status
from api.contract.openapi.routes import BATCH_DOCUMENTATION as BATCH_DOCUMENTATION
from api.contract.openapi.routes import IDEMPOTENCY_KEY as IDEMPOTENCY_KEY
from api.contract.openapi.routes import command_documentation as command_documentation
from api.contract.openapi.routes import schema_of as schema_of
