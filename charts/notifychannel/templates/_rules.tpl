{{/* The rights of every account, each with its why. tests/e2e/golden/rbac.txt lists what they render to. */}}

{{/* Operator, in the namespaces whose channels it serves */}}
{{- define "notifychannel.rules.watched" -}}
# The channels: watched, and read anew by every pass; patch: the finalizer that holds a deleted one until its triggers
# are gone.
- apiGroups: [notifychannel.io]
  resources: [notifychannels]
  verbs: [get, list, watch, patch]
# What is said of them.
- apiGroups: [notifychannel.io]
  resources: [notifychannels/status]
  verbs: [patch]
# The configuration of each group of pods: made, applied, and deleted when no channel names the group any more; listed
# (those with our label) by a new leader, to find such groups.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, patch, delete]
# Which pods ask for the sidecar and have it.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# The canary that shows that watches are alive: a watch of this one name.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "notifychannel.fullname" . }}.canary]
  verbs: [watch]
# Is the namespace going? Then nothing in it is waited for.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# What changed, for people.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{ include "notifychannel.rules.databaseSecrets" . }}
{{- end }}

{{/* Database Secrets: one at a time, labels first; never list or watch */}}
{{- define "notifychannel.rules.databaseSecrets" -}}
{{- if not .Values.secrets.strict -}}
# The installer's way to the database: one at a time, labels first. There is no right that goes by label.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- else if .Values.secrets.names -}}
# The installer's way to the database: these and no others.
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson .Values.secrets.names }}
  verbs: [get]
{{- end }}
{{- end }}

{{/* Operator, in the release's own namespace */}}
{{- define "notifychannel.rules.release" -}}
{{- $name := include "notifychannel.fullname" . -}}
# Leadership. A name can't be named at creation.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ $name }}]
  verbs: [get, update]
# The installation's id, made once.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ $name }}.installation]
  verbs: [get]
{{- if eq .Values.certificates.mode "Own" }}
# The injector's certificate and its CA.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ $name }}-ca, {{ $name }}-injector-tls]
  verbs: [get, patch]
{{- end }}
{{- end }}

{{/* Operator, on the one webhook configuration whose caBundle it keeps */}}
{{- define "notifychannel.rules.webhook" -}}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [{{ include "notifychannel.keptWebhook" . }}]
  verbs: [get, patch]
{{- end }}

{{/* The Job before the uninstallation: what a pass does for a deleted channel, for all of them */}}
{{- define "notifychannel.rules.cleanupWatched" -}}
# Their finalizers.
- apiGroups: [notifychannel.io]
  resources: [notifychannels]
  verbs: [get, list, patch]
# The last word about them, which must not be Ready.
- apiGroups: [notifychannel.io]
  resources: [notifychannels/status]
  verbs: [patch]
# Each group's configuration: without the channels that were let go, and then deleted.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, patch, delete]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# What could not be removed, with the SQL that removes it.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{ include "notifychannel.rules.databaseSecrets" . }}
{{- end }}

{{- define "notifychannel.rules.cleanupRelease" -}}
{{- $name := include "notifychannel.fullname" . -}}
# Stop the operator, or it would put everything back, and take its place.
- apiGroups: [apps]
  resources: [deployments/scale]
  resourceNames: [{{ $name }}-operator]
  verbs: [patch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ $name }}]
  verbs: [get, update, delete]
# What the operator made here.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ $name }}.installation]
  verbs: [get, delete]
{{- if eq .Values.certificates.mode "Own" }}
# get: whose they are, for what is somebody else's stays.
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ $name }}-ca, {{ $name }}-injector-tls]
  verbs: [get, delete]
{{- end }}
{{- end }}

{{/*
A role and its binding: (dict "root" . "component" "operator" "account" "…-operator" "name" "…" "namespace" "…" or none
"rules" "notifychannel.rules.…" "annotations" dict)
*/}}
{{- define "notifychannel.grant" -}}
{{- $scope := ternary "" "Cluster" (not (empty .namespace)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}Role
metadata:
  {{- include "notifychannel.metadata" . | nindent 2 }}
rules:
  {{- include .rules .root | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}RoleBinding
metadata:
  {{- include "notifychannel.metadata" . | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ $scope }}Role, name: {{ .name }}}
subjects:
  - {kind: ServiceAccount, name: {{ .account }}, namespace: {{ .root.Release.Namespace }}}
{{- end }}

{{/* `helm test`: who leads, and a pod as a dry run; it may create pods there while the test runs */}}
{{- define "notifychannel.rules.testRelease" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "notifychannel.fullname" . }}]
  verbs: [get]
{{- end }}

{{- define "notifychannel.rules.testDryRun" -}}
# A dry run asks for the same right as the real thing.
- apiGroups: [""]
  resources: [pods]
  verbs: [create]
{{- end }}
