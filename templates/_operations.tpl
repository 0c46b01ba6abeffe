{{/* Objects that are the same for every service: each subchart includes those that it has. */}}

{{- define "smart-grid.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "smart-grid.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end -}}

{{/*
The job label is the component, so that rules and dashboards name a service the same in every release. Of pods,
not Services: the port of the metrics is on no Service, as one of them may be open to the world.
*/}}
{{- define "smart-grid.podMonitor" -}}
{{- if include "smart-grid.wanted" (dict "enabled" .Values.podMonitor.enabled "api" "monitoring.coreos.com/v1/PodMonitor" "root" .) }}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- merge (dict) .Values.podMonitor.labels (include "smart-grid.labels" . | fromYaml) | toYaml | nindent 4 }}
spec:
  jobLabel: app.kubernetes.io/component
  selector:
    matchLabels:
      {{- include "smart-grid.selectorLabels" . | nindent 6 }}
  podMetricsEndpoints:
    - port: metrics
      path: /metrics
      interval: {{ .Values.podMonitor.interval }}
{{- end }}
{{- end -}}

{{- define "smart-grid.podDisruptionBudget" -}}
{{- if and .Values.podDisruptionBudget.enabled (gt (int (include "smart-grid.minReplicas" .)) 1) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready helps nobody by staying on a node that must be drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "smart-grid.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "smart-grid.autoscaler" -}}
{{- if .Values.autoscaling.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "smart-grid.fullname" . }}
  minReplicas: {{ .Values.autoscaling.minReplicas }}
  maxReplicas: {{ .Values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .Values.autoscaling.targetCPUUtilizationPercentage }}
  {{- with .Values.autoscaling.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}
