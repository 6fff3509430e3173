# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx builds the site of `make docs` from what antsibull-docs writes. Every reference must lead somewhere."""
from docutils import nodes

project = "registryops.acr"
title = html_title = html_short_title = "registryops.acr"
copyright = "registryops.acr contributors"  # pylint: disable=redefined-builtin  # the name that Sphinx wants
extensions = ["sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_theme_options = {"display_version": False, "documentation_home_url": "index.html", "show_extranav": False}
html_theme_options["topbar_links"] = {"Source": "https://github.com/registryops/acr"}
html_show_sphinx = html_copy_source = html_use_index = html_use_modindex = False
highlight_language = "YAML+Jinja"
pygments_style = "ansible"
nitpicky = True

ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
# What generated pages refer to in Ansible's own documentation, which can't be asked for its inventory without a network.
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def refer_to_ansible(_app, _env, node, content):
    target = node["reftarget"]
    page = PAGES.get(target)
    if node.get("reftype") == "envvar" and target.startswith("ANSIBLE_"):
        page = "reference_appendices/config.html#envvar-" + target
    return nodes.reference("", "", content, refuri=ANSIBLE + page) if page else None


def setup(app):
    app.connect("missing-reference", refer_to_ansible)
