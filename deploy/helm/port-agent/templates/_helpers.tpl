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
{{- range $key, $value := include "port-agent.ownEnv" . | fromYaml }}
- name: {{ $key }}
  value: {{ $value | quote }}
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

{{/* Settings that the chart itself gives, unless the values do: as a YAML map. */}}
{{- define "port-agent.ownEnv" -}}
{{- if and (include "port-agent.payloadConfig" .) (not (include "port-agent.sets" (list . "CONTROL_THE_PAYLOAD_CONFIG_PATH"))) }}
CONTROL_THE_PAYLOAD_CONFIG_PATH: /app/control-the-payload/controlThePayloadConfig
{{- end }}
{{- if and .Values.deadLetters.enabled (not (include "port-agent.sets" (list . "DEAD_LETTER_DIR"))) }}
DEAD_LETTER_DIR: /var/lib/port-agent/dead-letters
{{- end }}
{{- end }}

{{/* Not empty: the values give that setting themselves. */}}
{{- define "port-agent.sets" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}
{{- if hasKey ($root.Values.env.normal | default dict) $name }}yes{{ end }}
{{- if and (hasKey ($root.Values.env.secret | default dict) $name) (not $root.Values.secret.useExistingSecret) }}yes{{ end }}
{{- range $root.Values.extraEnv }}{{ if eq .name $name }}yes{{ end }}{{ end }}
{{- end }}

{{/* The agent as a container, less its name and what only one that runs for long needs. */}}
{{- define "port-agent.container" -}}
{{- $files := include "port-agent.fileKeys" . | fromJsonArray -}}
image: {{ include "port-agent.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.containerSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "port-agent.env" . }}
env:
  {{- . | trim | nindent 2 }}
{{- end }}
{{- if and .Values.secret.useExistingSecret (not $files) }}
envFrom:
  - secretRef:
      name: {{ include "port-agent.secretName" . }}
{{- end }}
{{- with include "port-agent.volumeMounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What can change under a running pod is mounted as a folder of its own: what is mounted by its subPath stays as it was. A values file
that names the mapping file's path itself finds it at its old one. */}}
{{- define "port-agent.volumeMounts" -}}
{{- with .Values.extraVolumeMounts }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- if include "port-agent.payloadConfig" . }}
- name: {{ include "port-agent.fullname" . }}
  {{- if include "port-agent.sets" (list . "CONTROL_THE_PAYLOAD_CONFIG_PATH") }}
  mountPath: /app/control_the_payload_config.json
  subPath: controlThePayloadConfig
  {{- else }}
  mountPath: /app/control-the-payload
  readOnly: true
  {{- end }}
{{- end }}
{{- if .Values.selfSignedCertificate.enabled }}
- name: certificates
  mountPath: /usr/local/share/ca-certificates/port-agent
  readOnly: true
{{- end }}
{{- if include "port-agent.fileKeys" . | fromJsonArray }}
- name: secret-files
  mountPath: /run/secrets/port-agent
  readOnly: true
{{- end }}
{{- range include "port-agent.clientCertificates" . | fromJsonArray }}
- name: client-certificate-{{ .name }}
  mountPath: /run/secrets/client-certificates/{{ .name }}
  readOnly: true
{{- end }}
{{- if .Values.deadLetters.enabled }}
- name: dead-letters
  mountPath: /var/lib/port-agent
{{- end }}
{{- end }}

{{/* The volumes of these mounts, except that of dead letters. */}}
{{- define "port-agent.volumes" -}}
{{- $fullname := include "port-agent.fullname" . }}
{{- $certificate := .Values.selfSignedCertificate }}
{{- with .Values.extraVolumes }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- if include "port-agent.payloadConfig" . }}
- name: {{ $fullname }}
  configMap:
    name: {{ $fullname }}
{{- end }}
{{- if $certificate.enabled }}
- name: certificates
  projected:
    sources:
      - secret:
          {{- if $certificate.secret.useExistingSecret }}
          name: {{ $certificate.secret.name }}
          {{- else }}
          name: {{ include "selfSignedCertName" . }}
          {{- end }}
          items:
            - key: {{ ternary $certificate.secret.key "crt" $certificate.secret.useExistingSecret }}
              path: cert.crt
{{- end }}
{{- range include "port-agent.clientCertificates" . | fromJsonArray }}
- name: client-certificate-{{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
{{- end }}
{{- with include "port-agent.fileKeys" . | fromJsonArray }}
- name: secret-files
  secret:
    secretName: {{ include "port-agent.secretName" $ }}
    defaultMode: 0440
    items:
      {{- range . }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- end }}
{{- end }}

{{/* Where, as whom and how a pod of the agent runs. */}}
{{- define "port-agent.pod" -}}
{{- with .Values.podServiceAccount.name -}}
serviceAccountName: {{ . }}
{{ end -}}
{{- with include "port-agent.automountToken" . -}}
automountServiceAccountToken: {{ . }}
{{ end -}}
securityContext:
  {{- include "port-agent.podSecurityContext" . | nindent 2 }}
{{- range $name, $value := pick .Values "imagePullSecrets" "priorityClassName" "hostAliases" "dnsPolicy" "dnsConfig" "nodeSelector" "affinity" "tolerations" }}
{{- with $value }}
{{ toYaml (dict $name .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Names at the top of the values that are none of this chart's, as a JSON list. Those of values.yaml, and what Helm itself adds. */}}
{{- define "port-agent.unknown" -}}
{{- $known := list
    "image" "replicaCount" "imagePullSecrets" "nameOverride" "fullnameOverride"
    "controlThePayloadConfig" "secret" "podServiceAccount" "env" "extraLabels" "podAnnotations"
    "podSecurityContext" "containerSecurityContext" "extraVolumes" "extraVolumeMounts"
    "rolloutStrategy" "resources" "nodeSelector" "tolerations" "affinity" "selfSignedCertificate"
    "probes" "clientCertificates" "terminationGracePeriodSeconds" "extraEnv" "podDisruptionBudget"
    "networkPolicy" "podLabels" "priorityClassName" "topologySpreadConstraints" "hostAliases"
    "dnsPolicy" "dnsConfig" "initContainers" "deadLetters" "serviceMonitor" "prometheusRule"
    "dashboards" "autoscaling" "global" }}
{{- $unknown := list }}
{{- range $name, $_ := .Values }}
{{- if not (has $name $known) }}{{ $unknown = append $unknown $name }}{{ end }}
{{- end }}
{{- toJson $unknown }}
{{- end }}

{{/* Of the chart's own secret: what the agent reads once, as JSON. */}}
{{- define "port-agent.readOnce" -}}
{{- $files := include "port-agent.fileKeys" . | fromJsonArray }}
{{- $secret := deepCopy (.Values.env.secret | default dict) }}
{{- if has "PORT_CLIENT_SECRET" $files }}{{ $_ := unset $secret "PORT_CLIENT_SECRET" }}{{ end }}
{{- toJson $secret }}
{{- end }}
