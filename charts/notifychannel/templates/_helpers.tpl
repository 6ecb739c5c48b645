{{- define "notifychannel.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Longest name made of it: <fullname>-injector-tls; 63 is a Service's limit. */}}
{{- define "notifychannel.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 45 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "notifychannel.selector" -}}
app.kubernetes.io/name: {{ include "notifychannel.name" .root }}
app.kubernetes.io/instance: {{ include "notifychannel.fullname" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "notifychannel.labels" -}}
{{- with .root.Values.commonLabels }}{{ toYaml . }}
{{ end -}}
{{ include "notifychannel.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: notifychannel
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{/*
metadata of one object: (dict "root" . "component" "operator" "name" "…" ["namespace" "…"] ["annotations" dict]
["moreLabels" dict])
*/}}
{{- define "notifychannel.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "notifychannel.labels" . | nindent 2 }}
  {{- with .moreLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* (dict "root" . "image" .Values.image) */}}
{{- define "notifychannel.image" -}}
{{- with .image.registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .root.Chart.AppVersion .image.tag }}{{ end }}
{{- end }}

{{- define "notifychannel.hasClusterObjects" -}}
{{- if ne .Values.install "NamespaceObjects" }}true{{ end }}
{{- end }}

{{- define "notifychannel.hasNamespaceObjects" -}}
{{- if ne .Values.install "ClusterObjects" }}true{{ end }}
{{- end }}

{{- define "notifychannel.tlsSecret" -}}
{{- if eq .Values.certificates.mode "Existing" }}{{ .Values.certificates.secretName }}{{ else }}{{ include "notifychannel.fullname" . }}-injector-tls{{ end }}
{{- end }}

{{/* Whose caBundle the operator keeps: only the release's own, and with its own certificate. */}}
{{- define "notifychannel.keptWebhook" -}}
{{- if and .Values.webhook.create (eq .Values.certificates.mode "Own") }}{{ include "notifychannel.fullname" . }}{{ end }}
{{- end }}

{{/* A quantity as a text: whole numbers of a values file are floats to helm, which writes 134217728 as 1.34217728e+08 */}}
{{- define "notifychannel.quantity" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if eq (float64 .) (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* `200m` or `0.2` → 200 */}}
{{- define "notifychannel.milliCores" -}}
{{- $text := include "notifychannel.quantity" . -}}
{{- if hasSuffix "m" $text }}{{ trimSuffix "m" $text }}{{ else }}{{ mulf (float64 $text) 1000 }}{{ end }}
{{- end }}

{{- define "notifychannel.testNamespace" -}}
{{- if .Values.test.namespace }}{{ .Values.test.namespace }}{{ else if .Values.watchNamespaces }}{{ first .Values.watchNamespaces }}{{ else }}default{{ end }}
{{- end }}
