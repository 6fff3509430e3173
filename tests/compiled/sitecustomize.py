# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python loads this at its start. It compiles sources in zip archives, as Ansible packs its modules, once for all processes.

The same source gives the same code, so the directory COMPILED holds it by the source's hash.
"""
from __future__ import annotations

import _imp
import hashlib
import marshal
import os
import types
import zipimport

compile_source = zipimport._compile_source


def compile_once(pathname: str, source: bytes) -> types.CodeType:
    path = os.path.join(os.environ["COMPILED"], hashlib.sha256(source).hexdigest())
    try:
        with open(path, "rb") as file:
            code = marshal.load(file)
    except FileNotFoundError:
        code = compile_source(pathname, source)
        own = f"{path}.{os.getpid()}"
        with open(own, "wb") as file:
            marshal.dump(code, file)
        os.replace(own, path)
    _imp._fix_co_filename(code, pathname)
    return code


if "COMPILED" in os.environ:
    zipimport._compile_source = compile_once
