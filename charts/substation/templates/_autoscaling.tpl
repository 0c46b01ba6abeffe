{{/*
What scales the substations (docs/autoscaling.md). In every case it is a HorizontalPodAutoscaler of the StatefulSet's name with
two metrics, demand first: so the balancer finds what it is set to, whoever made it.
*/}}

{{- define "substation.horizontalPodAutoscaler" -}}
{{- $autoscaling := .Values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    {{- include "substation.scaleTarget" . | nindent 4 }}
  minReplicas: {{ $autoscaling.minReplicas }}
  maxReplicas: {{ $autoscaling.maxReplicas }}
  metrics:
    {{- $targets := list (list $autoscaling.hpa.demandMetric $autoscaling.targetDemandKw) (list $autoscaling.hpa.busyFloorMetric 1) }}
    {{- range $targets }}
    - type: External
      external:
        metric:
          name: {{ first . }}
          {{- with $autoscaling.hpa.selector }}
          selector:
            matchLabels:
              {{- toYaml . | nindent 14 }}
          {{- end }}
        target:
          type: AverageValue
          averageValue: {{ last . | quote }}
    {{- end }}
  behavior:
    {{- include "substation.scalingBehavior" . | nindent 4 }}
{{- end -}}

{{- define "substation.scaledObject" -}}
{{- $autoscaling := .Values.autoscaling -}}
{{- $keda := $autoscaling.keda -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    {{- include "substation.scaleTarget" . | nindent 4 }}
  minReplicaCount: {{ $autoscaling.minReplicas }}
  maxReplicaCount: {{ $autoscaling.maxReplicas }}
  pollingInterval: {{ $keda.pollingIntervalSeconds }}
  # Who cannot be asked has no say: the number stays, and is no reason to take away a substation with cars.
  fallback:
    failureThreshold: {{ $keda.failureThreshold }}
    replicas: {{ $autoscaling.minReplicas }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      name: {{ include "smart-grid.fullname" . }}
      behavior:
        {{- include "substation.scalingBehavior" . | nindent 8 }}
  triggers:
    {{- range list (list "demand" "demand_kw" $autoscaling.targetDemandKw) (list "busy-floor" "busy_floor" 1) }}
    - type: {{ $keda.trigger }}
      name: {{ index . 0 }}
      metricType: AverageValue
      metadata:
        {{- if eq $keda.trigger "metrics-api" }}
        # Each balancer that is ready is asked, and the one that knows of more cars counts.
        url: http://{{ include "smart-grid.demandService" $ }}.{{ $.Release.Namespace }}.svc:9090/autoscaling
        aggregateFromKubeServiceEndpoints: "true"
        aggregationType: max
        format: json
        valueLocation: {{ index . 1 }}
        targetValue: {{ index . 2 | quote }}
        {{- else }}
        serverAddress: {{ $keda.prometheus.serverAddress }}
        query: max(smartgrid_{{ index . 1 }}{job="balancer",namespace="{{ $.Release.Namespace }}"})
        threshold: {{ index . 2 | quote }}
        # No answer is no reason to scale in, and an empty one is no answer.
        ignoreNullValues: "false"
        {{- end }}
      {{- if eq $keda.trigger "prometheus" }}
      {{- with $keda.prometheus.authenticationRef }}
      authenticationRef:
        name: {{ . }}
      {{- end }}
      {{- end }}
    {{- end }}
{{- end -}}

{{- define "substation.scaleTarget" -}}
apiVersion: apps/v1
kind: StatefulSet
name: {{ include "smart-grid.fullname" . }}
{{- end -}}

{{/* With the tolerance where the cluster knows it; one that knows it and has it switched off takes no notice. */}}
{{- define "substation.scalingBehavior" -}}
{{- $behavior := deepCopy .Values.autoscaling.behavior -}}
{{- $tolerance := .Values.autoscaling.tolerance -}}
{{- if and (not (kindIs "invalid" $tolerance)) (semverCompare ">=1.33-0" .Capabilities.KubeVersion.Version) -}}
{{- range list "scaleUp" "scaleDown" -}}
{{- $_ := set $behavior . (merge (dict) (get $behavior . | default dict) (dict "tolerance" (toString $tolerance))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $behavior -}}
{{- end -}}

{{/*
The number of pods, unless an autoscaler sets it. A field that was in the last release and is not in this one is taken back
to its default, 1, so an upgrade that turns autoscaling on would scale in what charges: where the cluster can be asked, the
number stays as it is there.
*/}}
{{- define "substation.replicas" -}}
{{- if not .Values.autoscaling.enabled -}}
replicas: {{ .Values.replicaCount }}
{{- else -}}
{{- with lookup "apps/v1" "StatefulSet" .Release.Namespace (include "smart-grid.fullname" .) -}}
replicas: {{ .spec.replicas }}
{{- end -}}
{{- end -}}
{{- end -}}
