{{- /*
What the charts of all families share: this file is the same in each of them (tests/charts).
*/}}

{{- define "intel-device-plugin.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* An image, of a dict: name, image (hub, tag, digest), chart. */}}
{{- define "intel-device-plugin.image" -}}
{{ .image.hub }}/{{ .name }}{{ with .image.digest }}@{{ . }}{{ else }}:{{ .image.tag | default .chart.AppVersion }}{{ end }}
{{- end }}

{{- /*
The custom resource, of a dict: root (what templates start from), kind, spec (fields that have other names as values), fields (names
of fields that values have, too). Empty ones are left to the operator.
*/}}
{{- define "intel-device-plugin.object" -}}
{{- $values := .root.Values }}
{{- $spec := .spec }}
{{- range concat (list "logLevel" "nodeSelector" "tolerations" "resources" "env" "priorityClassName" "imagePullPolicy" "imagePullSecrets" "metrics") .fields }}
{{- $value := get $values . }}
{{- if $value }}
{{- $_ := set $spec . $value }}
{{- end }}
{{- end }}
apiVersion: deviceplugin.intel.com/v1
kind: {{ .kind }}
metadata:
  name: {{ $values.name | quote }}
  labels:
    {{- include "intel-device-plugin.labels" .root | nindent 4 }}
  {{- with $values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- mergeOverwrite $spec (deepCopy ($values.extraSpec | default dict)) | toYaml | nindent 2 }}
{{- end }}

{{- /* The rules of Node Feature Discovery: the files of the folder rules, each an object. */}}
{{- define "intel-device-plugin.rules" -}}
{{- if .Values.nodeFeatureRule }}
{{- range $path, $_ := .Files.Glob "rules/*.yaml" }}
{{- $rule := $.Files.Get $path | fromYaml }}
{{- $_ := set $rule.metadata "labels" (include "intel-device-plugin.labels" $ | fromYaml) }}
---
{{ toYaml $rule }}
{{- end }}
{{- end }}
{{- end }}
