{{- define "smart-grid.podMetadata" -}}
annotations:
  kubectl.kubernetes.io/default-container: {{ .Chart.Name }}
  {{- if ne .Chart.Name "loadtest" }}
  checksum/settings: {{ include "smart-grid.settings" . | sha256sum }}
  {{- end }}
  {{- with merge (dict) .Values.podAnnotations (include "smart-grid.meshAnnotations" . | fromYaml) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- include "smart-grid.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
  app.kubernetes.io/part-of: smart-grid
  {{- with merge (dict) .Values.podLabels (include "smart-grid.meshLabels" . | fromYaml) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* What the pods of a workload have besides what every pod has. */}}
{{- define "smart-grid.workloadPodFields" -}}
serviceAccountName: {{ include "smart-grid.serviceAccountName" . }}
{{ include "smart-grid.podFields" . }}
{{- with include "smart-grid.spread" . }}
topologySpreadConstraints:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every pod has, the test's too, but containers, volumes, grace period and service account token. */}}
{{- define "smart-grid.podFields" -}}
enableServiceLinks: false
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Soft by default: a cluster of one node must still run every pod. */}}
{{- define "smart-grid.spread" -}}
{{- if kindIs "invalid" .Values.topologySpreadConstraints -}}
{{- range $index, $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- if $index }}
{{ end -}}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "smart-grid.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- else if .Values.topologySpreadConstraints -}}
{{- toYaml .Values.topologySpreadConstraints -}}
{{- end -}}
{{- end -}}

{{/* The volume claim of each pod of a StatefulSet. */}}
{{- define "smart-grid.dataClaim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
  # No version here: the claim template can not change on an upgrade.
  labels:
    {{- include "smart-grid.selectorLabels" . | nindent 4 }}
  {{- with .Values.persistence.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  accessModes:
    {{- toYaml .Values.persistence.accessModes | nindent 4 }}
  {{- if not (kindIs "invalid" .Values.persistence.storageClassName) }}
  storageClassName: {{ .Values.persistence.storageClassName | quote }}
  {{- end }}
  resources:
    requests:
      storage: {{ .Values.persistence.size }}
{{- end -}}

{{/*
A folder of its own for each pod: takes `name` and the `size` beyond which the kubelet evicts the pod, before it fills the
node. All that a pod writes counts against its limit of ephemeral storage, logs too.
*/}}
{{- define "smart-grid.emptyDir" -}}
- name: {{ .name }}
  emptyDir:
    sizeLimit: {{ .size }}
{{- end -}}

{{/* What every container has, services and jobs alike. */}}
{{- define "smart-grid.containerFields" -}}
image: {{ include "smart-grid.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What the container of a service has besides. */}}
{{- define "smart-grid.serviceContainerFields" -}}
{{ include "smart-grid.containerFields" . }}
{{- if .Values.global.liveCode }}
command: [python3, -c, {{ include "smart-grid.liveCode.run" . | toJson }}, /code, smartgrid, {{ .Chart.Name }}]
{{- end }}
envFrom:
  - configMapRef:
      name: {{ include "smart-grid.fullname" . }}
ports:
  - name: http
    containerPort: 8080
  - name: metrics
    containerPort: 9090
  {{- if eq .Chart.Name "edge" }}
  - name: ocpp
    containerPort: 9000
  {{- end }}
startupProbe:
  {{- include "smart-grid.probe" (dict "path" "/health" "timing" .Values.startupProbe) | nindent 2 }}
readinessProbe:
  {{- include "smart-grid.probe" (dict "path" "/ready" "timing" .Values.readinessProbe) | nindent 2 }}
livenessProbe:
  {{- if eq .Chart.Name "edge" }}
  # The loop that serves chargers is asked itself: all else of an edge would answer beside it.
  {{- include "smart-grid.probe" (dict "path" "/health" "port" "ocpp" "isTls" .Values.tls.secretName "timing" .Values.livenessProbe) | nindent 2 }}
  {{- else }}
  {{- include "smart-grid.probe" (dict "path" "/health" "timing" .Values.livenessProbe) | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "smart-grid.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port | default "metrics" }}
  {{- if .isTls }}
  scheme: HTTPS
  {{- end }}
{{- with .timing }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The variables that are no plain settings. */}}
{{- define "smart-grid.env" -}}
{{- $env := list -}}
{{- with .Values.global.logHashKey -}}
{{- if .secretName -}}
{{- $source := dict "secretKeyRef" (dict "name" .secretName "key" .secretKey) -}}
{{- $env = append $env (dict "name" "SMARTGRID_LOG_HASH_KEY" "valueFrom" $source) -}}
{{- end -}}
{{- end -}}
{{- if .Values.global.liveCode -}}
{{- $env = append $env (dict "name" "PYTHONPATH" "value" "/code") -}}
{{- end -}}
{{- with concat $env .Values.extraEnv }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* Long enough for the whole of the orderly shutdown: unready, wait, drain, end. */}}
{{- define "smart-grid.gracePeriodSeconds" -}}
{{- add (ceil .Values.shutdownDelaySeconds) (ceil .Values.drainTimeoutSeconds) 5 -}}
{{- end -}}

{{/* Without the options of a type that is not chosen, which the API server would refuse. */}}
{{- define "smart-grid.updateStrategy" -}}
{{- with .Values.updateStrategy -}}
type: {{ .type }}
{{- if and .rollingUpdate (eq .type "RollingUpdate") }}
rollingUpdate:
  {{- toYaml .rollingUpdate | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
