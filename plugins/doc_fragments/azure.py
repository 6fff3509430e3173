# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  auth_source:
    description:
      - Where the credentials come from.
      - V(auto) takes the options below if one of them says who signs in; else the environment variables; else the profile
        in C(~/.azure/credentials); else the Azure CLI. They are never mixed.
      - V(env) takes the environment variables, V(credential_file) the profile, V(cli) whoever is signed in to the Azure
        CLI, V(msi) the machine's managed identity (its own, or the user-assigned one that O(client_id) names).
      - Where it is V(auto), E(ANSIBLE_AZURE_AUTH_SOURCE) counts, if that is set.
    type: str
    choices: [auto, cli, credential_file, env, msi]
    default: auto
  profile:
    description:
      - The profile in C(~/.azure/credentials) to use. Also E(AZURE_PROFILE).
    type: str
  subscription_id:
    description:
      - The subscription in which a registry given by name is looked for first; then come all others that the account sees.
        Also E(AZURE_SUBSCRIPTION_ID).
    type: str
  tenant:
    description:
      - The Microsoft Entra tenant to sign in to. Also E(AZURE_TENANT) or E(AZURE_TENANT_ID).
    type: str
  client_id:
    description:
      - The client ID of a service principal, of a workload identity, or of a user-assigned managed identity. Also
        E(AZURE_CLIENT_ID).
    type: str
  secret:
    description:
      - The service principal's secret. Also E(AZURE_SECRET) or E(AZURE_CLIENT_SECRET).
    type: str
  x509_certificate_path:
    description:
      - The file with the service principal's certificate and its private key, PEM or PKCS12. Also
        E(AZURE_X509_CERTIFICATE_PATH) or E(AZURE_CLIENT_CERTIFICATE_PATH).
    type: path
  x509_certificate_password:
    description:
      - The password of O(x509_certificate_path). Also E(AZURE_X509_CERTIFICATE_PASSWORD) or
        E(AZURE_CLIENT_CERTIFICATE_PASSWORD).
    type: str
  ad_user:
    description:
      - The name of a user. Also E(AZURE_AD_USER) or E(AZURE_USERNAME). Does not work with multi-factor authentication.
    type: str
  password:
    description:
      - The password of O(ad_user). Also E(AZURE_PASSWORD).
    type: str
  oidc_token:
    description:
      - A token of an outside issuer that the application with O(client_id) trusts (workload identity federation). Also
        E(AZURE_FEDERATED_TOKEN).
    type: str
  oidc_token_file_path:
    description:
      - A file with such a token; it is read again for each sign-in. Also E(AZURE_FEDERATED_TOKEN_FILE).
    type: path
  cloud_environment:
    description:
      - The cloud's name, one of V(AzureCloud), V(AzureChinaCloud), V(AzureUSGovernment), or the URL of an Azure Resource
        Manager that describes its cloud under C(/metadata/endpoints). Also E(AZURE_CLOUD_ENVIRONMENT).
      - V(AzureCloud) if not given.
    type: str
  registry_audience:
    description:
      - The audience of the tokens that registries are asked with. Only for clouds whose registries want another one than
        V(https://containerregistry.azure.net).
    type: str
requirements:
  - Python >= 3.9
  - azure-identity >= 1.19.0
  - azure-mgmt-containerregistry >= 10.3.0
  - requests >= 2.31.0
notes:
  - To sign in as a service principal, give O(tenant), O(client_id) and O(secret), or set E(AZURE_TENANT), E(AZURE_CLIENT_ID)
    and E(AZURE_SECRET), as Azure credentials of AWX do. To sign in as yourself, run C(az login) before the playbook.
  - A profile is a section of the file C(~/.azure/credentials) that holds options under their names, such as C(tenant).
  - Environment variables, profiles, certificates and the Azure CLI are those of the machine that does the work. For modules
    that is the host of the play, which is C(localhost) in most playbooks; for lookup and inventory plugins it is always the
    controller.
  - E(HTTPS_PROXY), E(NO_PROXY) and E(REQUESTS_CA_BUNDLE) are heeded, for Azure Resource Manager as for registries.
seealso:
  - name: Sign in with the Azure CLI
    description: What C(az login) can do.
    link: https://learn.microsoft.com/cli/azure/authenticate-azure-cli
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
  idempotent:
    description: A second run with the same options changes nothing, as long as nobody else has changed something.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: full
  platform:
    description: What the machine that runs the module may be.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/registryops.acr.acr) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - registryops.acr.acr
"""
