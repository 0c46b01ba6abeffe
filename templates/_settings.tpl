{{/* The settings of a service as its ConfigMap holds them: those that all have, and its own. */}}
{{- define "smart-grid.settings" -}}
SMARTGRID_HOST: "0.0.0.0"
SMARTGRID_PORT: "8080"
SMARTGRID_PROBE_PORT: "9090"
SMARTGRID_DATA_DIR: /data
SMARTGRID_LOG_LEVEL: {{ .Values.logLevel | quote }}
SMARTGRID_THREADS: {{ .Values.threads | quote }}
SMARTGRID_SHUTDOWN_DELAY_S: {{ .Values.shutdownDelaySeconds | quote }}
SMARTGRID_DRAIN_TIMEOUT_S: {{ .Values.drainTimeoutSeconds | quote }}
{{ include "smart-grid.identitySettings" . }}
{{- if and (ne .Chart.Name "gateway") (or .Values.global.quotas.substation .Values.global.quotas.fleet) }}
SMARTGRID_QUOTAS: {{ toJson .Values.global.quotas | quote }}
{{- end }}
{{- with .Values.global.tracing.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . | quote }}
{{- end }}
{{ include (printf "%s.settings" .Chart.Name) . }}
{{- end -}}

{{- define "smart-grid.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
data:
  {{- include "smart-grid.settings" . | nindent 2 }}
{{- end -}}
