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
      - V(auto) uses the profile if the option O(profile) is set, otherwise options with credentials, such as O(client_id) and
        O(secret), if there are any, otherwise environment variables, otherwise the profile that E(AZURE_PROFILE)
        names or C(default), otherwise the Azure CLI. Credentials from different places are never mixed.
      - V(env) uses the environment variables, V(credential_file) the profile, V(cli) the account signed in to the Azure CLI,
        V(msi) the machine's managed identity (the system-assigned one, or the user-assigned one given by O(client_id)).
      - With V(auto), E(ANSIBLE_AZURE_AUTH_SOURCE) takes precedence if set.
    type: str
    choices: [auto, cli, credential_file, env, msi]
    default: auto
  profile:
    description:
      - The profile in C(~/.azure/credentials) to use. Can also be set with E(AZURE_PROFILE).
    type: str
  subscription_id:
    description:
      - The subscription to search first for a registry given by name, before all others that the account can see. Can also be
        set with E(AZURE_SUBSCRIPTION_ID).
    type: str
  tenant:
    description:
      - The Microsoft Entra tenant to sign in to. Can also be set with E(AZURE_TENANT) or E(AZURE_TENANT_ID).
    type: str
  client_id:
    description:
      - The client ID of a service principal, of a workload identity, or of a user-assigned managed identity. Can also be set
        with E(AZURE_CLIENT_ID).
    type: str
  secret:
    description:
      - The service principal's secret. Can also be set with E(AZURE_SECRET) or E(AZURE_CLIENT_SECRET).
    type: str
  x509_certificate_path:
    description:
      - A file with the service principal's certificate and its private key, in PEM or PKCS12 format. Can also be set with
        E(AZURE_X509_CERTIFICATE_PATH) or E(AZURE_CLIENT_CERTIFICATE_PATH).
    type: path
  x509_certificate_password:
    description:
      - The password of O(x509_certificate_path). Can also be set with E(AZURE_X509_CERTIFICATE_PASSWORD) or
        E(AZURE_CLIENT_CERTIFICATE_PASSWORD).
    type: str
  ad_user:
    description:
      - The name of a user. Doesn't work with multi-factor authentication. Can also be set with E(AZURE_AD_USER) or
        E(AZURE_USERNAME).
    type: str
  password:
    description:
      - The password of O(ad_user). Can also be set with E(AZURE_PASSWORD).
    type: str
  oidc_token:
    description:
      - A token from an external issuer that the application with O(client_id) trusts (workload identity federation). Can also
        be set with E(AZURE_FEDERATED_TOKEN).
    type: str
  oidc_token_file_path:
    description:
      - A file with a token as described for O(oidc_token). It is read again for each sign-in. Can also be set with
        E(AZURE_FEDERATED_TOKEN_FILE).
    type: path
  cloud_environment:
    description:
      - The name of the cloud, V(AzureCloud), V(AzureChinaCloud) or V(AzureUSGovernment), or the URL of an Azure Resource Manager
        that describes its cloud at C(/metadata/endpoints). Can also be set with E(AZURE_CLOUD_ENVIRONMENT).
      - The default is V(AzureCloud).
    type: str
  registry_audience:
    description:
      - The audience of the tokens for registries. Only needed for clouds whose registries require an audience other than
        V(https://containerregistry.azure.net).
    type: str
requirements:
  - Python >= 3.9
  - azure-identity >= 1.19.0
  - azure-mgmt-containerregistry >= 10.3.0
  - requests >= 2.31.0
notes:
  - To sign in as a service principal, give O(tenant), O(client_id) and O(secret), or set E(AZURE_TENANT), E(AZURE_CLIENT_ID)
    and E(AZURE_SECRET), as AWX's Azure credential does. To sign in as yourself, run C(az login) before the playbook.
  - A job of GitHub Actions with the permission C(id-token=write), or of Azure Pipelines with E(SYSTEM_ACCESSTOKEN) in an
    C(AzureCLI) task, signs in with its own federated token if only O(client_id) and O(tenant) are given, and gets a new one
    whenever it is needed.
  - A profile is a section of the file C(~/.azure/credentials) that sets options by their names, such as C(tenant).
  - Environment variables, profiles, certificates and the Azure CLI are those of the machine that runs the plugin. For modules,
    that is the host of the play, C(localhost) in most playbooks. For lookup and inventory plugins, it is always the controller.
  - E(HTTPS_PROXY), E(NO_PROXY) and E(REQUESTS_CA_BUNDLE) apply to Azure Resource Manager and to registries.
seealso:
  - name: Sign in with the Azure CLI
    description: The ways to sign in with C(az login).
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
    description: A second run with the same options changes nothing, unless something else has changed meanwhile.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: full
  platform:
    description: The platforms that can run the module.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/registryops.acr.acr) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - registryops.acr.acr
"""
