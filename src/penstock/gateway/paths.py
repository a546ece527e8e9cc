"""The paths of an endpoint that lead to its deployments, as they follow /endpoints/NAME/ or the host.

All others are refused: what reaches an instance is written here. Names have no slash, escaped or not, and no leading
dot.
"""

_NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_V1 = f"v1/models/{_NAME}"
_V2 = f"v2/models/{_NAME}(/versions/{_NAME})?"

PAGE = f"^(swagger[.]json|v1/models|{_V1}|v2|v2/health/(live|ready)|{_V2}|{_V2}/ready)$"  # GET
INFERENCE = f"^({_V1}:predict|{_V2}/infer)$"  # POST

# `scoring` takes GET and POST. The conditions are meant for rules that most requests skip before they come to them.
ACLS = (
    "acl scoring var(txn.route) -m str score",
    f"acl page var(txn.route) -m reg {PAGE}",
    f"acl inference var(txn.route) -m reg {INFERENCE}",
)
