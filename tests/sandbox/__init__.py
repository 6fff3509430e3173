# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local stand-in for Azure: sign-in authority, Resource Manager and container registries on loopback.

Tests use :class:`tests.sandbox.handle.Sandbox`; ``python -m tests.sandbox`` keeps one running.
"""
