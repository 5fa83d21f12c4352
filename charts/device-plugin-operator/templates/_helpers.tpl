{{- define "operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "operator.podLabels" -}}
control-plane: controller-manager
manager: intel-deviceplugin-operator
{{- end }}

{{- /* The Secret by which images are pulled; empty if none is needed. */}}
{{- define "operator.pullSecret" -}}
{{- if .Values.privateRegistry.existingSecret }}
{{- .Values.privateRegistry.existingSecret }}
{{- else if .Values.privateRegistry.registrySecret }}
{{- .Release.Name }}-operator-private-registry
{{- end }}
{{- end }}

{{- /* What others than the operator are told to make certificates by: an annotation of both webhook configurations. */}}
{{- define "operator.injection" -}}
{{- if eq .Values.certificates "cert-manager" }}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/inteldeviceplugins-serving-cert
{{- else if eq .Values.certificates "openshift" }}
service.beta.openshift.io/inject-cabundle: "true"
{{- end }}
{{- end }}

{{- /* A role, of a dict: root, kind, name, rules (its file in the folder rules). */}}
{{- define "operator.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: inteldeviceplugins-{{ .name }}
  {{- if eq .kind "Role" }}
  namespace: {{ .root.Release.Namespace | quote }}
  {{- end }}
  labels:
    {{- include "operator.labels" .root | nindent 4 }}
rules:
  {{- .root.Files.Get (printf "rules/%s.yaml" .rules) | replace "[mutating-" "[inteldeviceplugins-mutating-" | replace "[validating-" "[inteldeviceplugins-validating-" | trim | nindent 2 }}
{{- end }}

{{- /* Gives a role to an account, of a dict: root, kind (of the role), name (of the binding), role, account. */}}
{{- define "operator.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: inteldeviceplugins-{{ .name }}
  {{- if eq .kind "Role" }}
  namespace: {{ .root.Release.Namespace | quote }}
  {{- end }}
  labels:
    {{- include "operator.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: inteldeviceplugins-{{ .role }}
subjects:
  - kind: ServiceAccount
    name: inteldeviceplugins-{{ .account }}
    namespace: {{ .root.Release.Namespace | quote }}
{{- end }}

{{- /* What a webhook of a custom resource has, of a dict: root, verb, letter, family. */}}
{{- define "operator.objectWebhook" -}}
- name: {{ .letter }}{{ .family }}deviceplugin.kb.io
  admissionReviewVersions: [v1]
  clientConfig:
    {{- include "operator.client" (dict "root" .root "path" (printf "/%s-deviceplugin-intel-com-v1-%sdeviceplugin" .verb .family)) | nindent 4 }}
  rules:
    - apiGroups: [deviceplugin.intel.com]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [{{ .family }}deviceplugins]
  failurePolicy: {{ .root.Values.webhooks.failurePolicy }}
  sideEffects: None
{{- end }}

{{- define "operator.client" -}}
service:
  name: inteldeviceplugins-webhook-service
  namespace: {{ .root.Release.Namespace | quote }}
  path: {{ .path }}
{{- end }}

{{- define "operator.families" -}}
dlb dsa fpga gpu iaa npu qat sgx
{{- end }}
