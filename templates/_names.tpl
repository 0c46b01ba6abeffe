{{/* These templates serve the subcharts; "." is a subchart's scope throughout. */}}

{{- define "smart-grid.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 20 | trimSuffix "-" -}}
{{- end -}}

{{/*
Short enough for StatefulSet pods (52), and free of dots, which a release name may have and a Service name may not.
The release is cut, not the service, or two services of a long release would share a name.
*/}}
{{- define "smart-grid.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (include "smart-grid.releaseName" .) (include "smart-grid.name" .) -}}
{{- end -}}
{{- end -}}

{{- define "smart-grid.releaseName" -}}
{{- .Release.Name | replace "." "-" | trunc 29 | trimSuffix "-" -}}
{{- end -}}

{{- define "smart-grid.selectorLabels" -}}
app.kubernetes.io/name: {{ include "smart-grid.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .Chart.Name }}
{{- end -}}

{{- define "smart-grid.labels" -}}
{{ include "smart-grid.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: smart-grid
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels of what `helm test` runs. */}}
{{- define "smart-grid.testLabels" -}}
app.kubernetes.io/name: {{ include "smart-grid.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: smart-grid
{{- end -}}

{{/* Labels of the objects that belong to no single service; "." is the root chart's scope. */}}
{{- define "smart-grid.rootLabels" -}}
app.kubernetes.io/name: smart-grid
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: monitoring
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: smart-grid
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The balancers' pods, whatever their names are overridden with; "." is any chart's scope. */}}
{{- define "smart-grid.balancerLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: balancer
app.kubernetes.io/part-of: smart-grid
{{- end -}}

{{/* Where the edge is, if it is installed: "." is the scope of the one that calls it. */}}
{{- define "smart-grid.edgeUrl" -}}
{{- $here := ternary (printf "http://%s-edge:8080" (include "smart-grid.releaseName" .)) "" (not (empty (include "smart-grid.hasEdge" .))) -}}
{{- .Values.edgeUrl | default $here -}}
{{- end -}}

{{/* The Service by which an autoscaler finds them. */}}
{{- define "smart-grid.demandService" -}}
{{- printf "%s-demand" (include "smart-grid.releaseName" .) -}}
{{- end -}}

{{- define "smart-grid.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "smart-grid.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "smart-grid.image" -}}
{{- with .Values.global.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* Whether an object of an optional API is wanted: takes `enabled` (auto, true or false), `api` and `root`. */}}
{{- define "smart-grid.wanted" -}}
{{- if eq (toString .enabled) "auto" -}}
{{- if .root.Capabilities.APIVersions.Has .api }}true{{ end -}}
{{- else if .enabled }}true{{ end -}}
{{- end -}}

{{/* The least number of pods that there will be. */}}
{{- define "smart-grid.minReplicas" -}}
{{- $autoscaling := .Values.autoscaling | default dict -}}
{{- if $autoscaling.enabled }}{{ $autoscaling.minReplicas }}{{ else }}{{ .Values.replicaCount }}{{ end -}}
{{- end -}}
