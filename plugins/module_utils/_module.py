# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules share: options, sign-in, and errors that become one sentence."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._errors import Problem
from ._identity import AUTH_ARGUMENTS, Identity
from ._reference import InvalidReference, misread

if TYPE_CHECKING:
    from ._azure import Azure

REGISTRY_ARGUMENTS: Dict[str, Any] = {
    "registry": {"type": "str", "required": True},
    "resource_group": {"type": "str"},
}
# The libraries a user may lack: the module that Python misses → the package to install.
PACKAGES = {
    "requests": "requests",
    "azure.identity": "azure-identity",
    "azure.mgmt": "azure-mgmt-containerregistry",
    "azure.core": "azure-identity",
    "azure": "azure-identity",
    "msal": "azure-identity",
    "cryptography": "cryptography>=45.0.0",
    "sigstore": "sigstore>=4.0.0",
    "urllib3": "urllib3>=2",  # which sigstore needs
}


# From the options that were given: what Ansible is to check, and what is wrong already.
Read = Callable[[Dict[str, Any]], Tuple[Dict[str, Any], Any]]
GRACE = 1.0  # seconds after which a time limit is enforced, if something ignores it


class _Module(AnsibleModule):
    """Keeps the options as they were given: Ansible makes "3.1" of YAML's 3.10, and nobody can tell afterwards. *read* sees
    them first, and *mistakes* is what it found."""

    params: Dict[str, Any]

    def __init__(self, read: Read, **more: Any) -> None:
        self._read = read
        super().__init__(**more)

    def _load_params(self) -> None:
        super()._load_params()
        self.params, self.mistakes = self._read(self.params)
        self.given = dict(self.params)


def run(
    arguments: Dict[str, Any],
    work: Callable[[AnsibleModule, Azure], Dict[str, Any]],
    read: Read = lambda given: (given, {}),
    **more: Any,
) -> None:
    """Runs a module: *work* gets the module and its connection to Azure, and returns the module's result, which is a failure if
    it has a ``msg``.

    *arguments* are the module's own options; those for the registry and for signing in are added. An option ``timeout``
    (seconds) limits the whole run. *read* returns the options as Ansible is to check them, from those that were given: for
    short forms that no argument spec can tell. What it finds wrong is for *work* to tell. *more* goes to `AnsibleModule`.
    """
    module = _Module(
        read, argument_spec={**AUTH_ARGUMENTS, **REGISTRY_ARGUMENTS, **arguments}, supports_check_mode=True, **more
    )
    seconds = module.params.get("timeout")
    limit = threading.Timer(seconds + GRACE, _stop, [module]) if seconds is not None else None
    if limit is not None:
        limit.daemon = True
        limit.start()
    gc.set_threshold(50_000)  # most of what is loaded stays, and is no garbage
    try:
        _run(module, work, time.monotonic() + seconds if seconds is not None else None)
    finally:
        gc.freeze()  # or Python would look for garbage in all that the libraries hold when it ends: 60 ms a task
        if limit is not None:
            limit.cancel()


def _refuse_misread(given: Dict[str, Any], arguments: Dict[str, Any]) -> None:
    """InvalidReference where an option that is to be text was read as a fraction or a boolean. Whole numbers pass: as text
    they are what was written."""
    for name, spec in arguments.items():
        several = spec.get("type") == "list"
        kind = spec.get("elements" if several else "type", "str")
        value = given.get(name)
        for one in value if several and isinstance(value, list) else [value]:
            if kind in ("str", "path") and isinstance(one, (bool, float)):
                raise InvalidReference(misread(name, one, hidden=bool(spec.get("no_log"))))


def _stop(module: AnsibleModule) -> None:
    """Ends a module that hangs in a library, such as a sign-in that gets no answer."""
    try:
        module.fail_json(
            msg=f"The time limit of {module.params['timeout']} s passed while Azure or a registry was being asked. "
            "Running again is safe. To allow more time, raise timeout.",
            reason="timeout",
        )
    finally:
        sys.stdout.flush()
        os._exit(1)


def _run(module: _Module, work: Callable[[AnsibleModule, Azure], Dict[str, Any]], deadline: Optional[float]) -> None:
    try:
        _refuse_misread(module.given, module.argument_spec)
        identity = Identity(module.params, os.environ)
        # Ansible knows the secrets in options, but not those in the environment or in a profile.
        module.no_log_values.update(identity.secrets)
        identity.begin(module.params["registry"])
        # All else is loaded while the sign-in waits for its answers, as is what *work* itself needs.
        from ._azure import Azure

        result = work(module, Azure(identity, deadline))
    except Problem as error:
        more = {} if error.status is None else {"status": error.status}
        module.fail_json(msg=str(error), reason=error.reason, **more)
    except ImportError as error:
        missing = error.name or ""
        package = next((PACKAGES[name] for name in sorted(PACKAGES, reverse=True) if missing.startswith(name)), missing)
        if not package:
            raise
        module.fail_json(msg=missing_required_lib(package), reason="invalid", exception=traceback.format_exc())
    else:
        (module.fail_json if "msg" in result else module.exit_json)(**result)
