{{/* Names are those of the chart in use: extraVolumes are templates and may ask for them. */}}
{{- define "port-agent.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "port-agent.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "port-agent.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A Deployment's selector can never change, so these two stay what they are. */}}
{{- define "port-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "port-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "port-agent.labels" -}}
helm.sh/chart: {{ include "port-agent.chart" . }}
{{ include "port-agent.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- range $key, $value := .Values.extraLabels }}
{{ $key }}: {{ include "port-agent.text" $value | quote }}
{{- end }}
{{- end }}

{{- define "port-agent.secretName" -}}
{{- .Values.secret.name | default (include "port-agent.fullname" .) }}
{{- end }}

{{- define "selfSignedCertName" -}}
{{- include "port-agent.fullname" . }}-cert
{{- end }}

{{- define "port-agent.image" -}}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* A scalar as text. Numbers of a values file arrive as floats, which would print as 1.6777216e+07. */}}
{{- define "port-agent.text" -}}
{{- if kindIs "invalid" . }}
{{- else if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}
{{- else }}{{ toString . }}
{{- end }}
{{- end }}

{{/* The mapping file's text; nothing when none is given. */}}
{{- define "port-agent.payloadConfig" -}}
{{- with .Values.controlThePayloadConfig }}
{{- kindIs "string" . | ternary . (toRawJson .) }}
{{- end }}
{{- end }}

{{/* The keys of the secret that are mounted as files, as a JSON list: an existing secret's are taken on trust. */}}
{{- define "port-agent.fileKeys" -}}
{{- $keys := list }}
{{- if .Values.secret.mountAsFiles }}
{{- range .Values.secret.fileKeys }}
{{- if or $.Values.secret.useExistingSecret (hasKey ($.Values.env.secret | default dict) .) }}{{ $keys = append $keys . }}{{ end }}
{{- end }}
{{- end }}
{{- toJson $keys }}
{{- end }}

{{/* Those that are wanted, as a JSON list: name, secret, and the settings of certificate and key. */}}
{{- define "port-agent.clientCertificates" -}}
{{- $wanted := list }}
{{- $settings := dict "webhook" (list "WEBHOOK_CLIENT_CERT" "WEBHOOK_CLIENT_KEY")
    "portApi" (list "PORT_API_CLIENT_CERT" "PORT_API_CLIENT_KEY")
    "kafka" (list "KAFKA_CONSUMER_SSL_CERTIFICATE" "KAFKA_CONSUMER_SSL_KEY") }}
{{- range $name, $secret := .Values.clientCertificates | default dict }}
{{- if $secret }}
{{- $pair := get $settings $name }}
{{- $wanted = append $wanted (dict "name" (kebabcase $name) "secret" $secret "cert" (index $pair 0) "key" (index $pair 1)) }}
{{- end }}
{{- end }}
{{- toJson $wanted }}
{{- end }}

{{- define "port-agent.env" -}}
{{- $files := include "port-agent.fileKeys" . | fromJsonArray }}
{{- range include "port-agent.clientCertificates" . | fromJsonArray }}
- name: {{ .cert }}
  value: /run/secrets/client-certificates/{{ .name }}/tls.crt
- name: {{ .key }}
  value: /run/secrets/client-certificates/{{ .name }}/tls.key
{{- end }}
{{- range $files }}
- name: {{ . }}_FILE
  value: /run/secrets/port-agent/{{ . }}
{{- end }}
{{- if not .Values.secret.useExistingSecret }}
{{- range $key, $_ := .Values.env.secret }}
{{- if not (has $key $files) }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef:
      name: {{ include "port-agent.secretName" $ }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $value := .Values.env.normal }}
- name: {{ $key }}
  value: {{ include "port-agent.text" $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the values say, less what would contradict them or the cluster. */}}
{{- define "port-agent.podSecurityContext" -}}
{{- $context := deepCopy (.Values.podSecurityContext | default dict) }}
{{- range list $context (.Values.containerSecurityContext | default dict) }}
{{- if eq (toString .runAsUser) "0" }}{{ $_ := unset $context "runAsNonRoot" }}{{ end }}
{{- end }}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- range list "runAsUser" "runAsGroup" "fsGroup" }}
{{- if eq (toString (get $context .)) "1000" }}{{ $_ := unset $context . }}{{ end }}
{{- end }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- define "port-agent.automountToken" -}}
{{- if kindIs "bool" .Values.podServiceAccount.automountToken }}{{ .Values.podServiceAccount.automountToken }}
{{- else if not (or .Values.podServiceAccount.name .Values.podAnnotations) }}false
{{- end }}
{{- end }}

{{- define "port-agent.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- $settings := .Values.env.normal | default dict }}
{{- add 7 ($settings.DRAIN_TIMEOUT_SECONDS | default 8 | float64 | ceil) }}
{{- else }}{{ int64 .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}
