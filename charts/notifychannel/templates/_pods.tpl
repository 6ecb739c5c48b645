{{/* Injection settings: the injector works by them, the operator tells outdated pods by them. */}}
{{- define "notifychannel.injectionEnv" -}}
{{- with .Values.sidecar -}}
- {name: NOTIFYCHANNEL_SIDECAR_IMAGE, value: {{ include "notifychannel.image" (dict "root" $ "image" .image) | quote }}}
- {name: NOTIFYCHANNEL_SIDECAR_PULL_POLICY, value: {{ .image.pullPolicy | quote }}}
- {name: NOTIFYCHANNEL_SIDECAR_MEMORY, value: {{ include "notifychannel.quantity" .memory | quote }}}
- {name: NOTIFYCHANNEL_SIDECAR_CPU_REQUEST, value: {{ include "notifychannel.quantity" .cpuRequest | quote }}}
- {name: NOTIFYCHANNEL_SIDECAR_CPU_LIMIT, value: {{ include "notifychannel.quantity" .cpuLimit | quote }}}
- {name: NOTIFYCHANNEL_SIDECAR_LOG, value: {{ .log | quote }}}
{{- with .otlpEndpoint }}
- {name: NOTIFYCHANNEL_SIDECAR_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings of the operator, and of the Job that runs it once. */}}
{{- define "notifychannel.operatorEnv" -}}
- {name: NOTIFYCHANNEL_NAMESPACE, value: {{ .Release.Namespace | quote }}}
- {name: NOTIFYCHANNEL_FULLNAME, value: {{ include "notifychannel.fullname" . | quote }}}
- {name: NOTIFYCHANNEL_POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: NOTIFYCHANNEL_WATCH_NAMESPACES, value: {{ join "," .Values.watchNamespaces | quote }}}
- {name: NOTIFYCHANNEL_WEBHOOK, value: {{ include "notifychannel.keptWebhook" . | quote }}}
- {name: NOTIFYCHANNEL_CERTIFICATE, value: {{ ternary "own" "external" (eq .Values.certificates.mode "Own") | quote }}}
- {name: NOTIFYCHANNEL_PASS_INTERVAL, value: {{ .Values.operator.passIntervalSeconds | quote }}}
- {name: NOTIFYCHANNEL_CONCURRENCY, value: {{ .Values.operator.concurrency | quote }}}
- {name: NOTIFYCHANNEL_LOG, value: {{ .Values.operator.log | quote }}}
{{ include "notifychannel.injectionEnv" . }}
{{- end }}

{{/* What "restricted" pod security asks of a pod, and of a container. */}}
{{- define "notifychannel.podSecurity" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "notifychannel.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "notifychannel.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Where pods run: (dict "root" . "component" "operator" "values" .Values.operator) */}}
{{- define "notifychannel.scheduling" -}}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- if .values.affinity }}
  {{- toYaml .values.affinity | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "notifychannel.selector" . | nindent 14 }}
  {{- end }}
topologySpreadConstraints:
  {{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  - topologyKey: topology.kubernetes.io/zone
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "notifychannel.selector" . | nindent 8 }}
  {{- end }}
{{- end }}

{{/* Labels and annotations of a pod */}}
{{- define "notifychannel.podMetadata" -}}
labels:
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "notifychannel.labels" . | nindent 2 }}
{{- with merge (dict) .values.podAnnotations .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "notifychannel.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 3
{{- end }}
