{{/*
The network policy of a service. `<chart>.ingressPeers` names who may call its API, empty for everyone;
`<chart>.egressRules` names whom it calls, besides DNS. Prometheus reaches the metrics and no API. Kubelets, which probe there
too, are under no policy: the node of a pod always reaches it.
*/}}
{{- define "smart-grid.networkPolicy" -}}
{{- if .Values.networkPolicy.enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "smart-grid.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - port: http
          protocol: TCP
        {{- with include "smart-grid.meshPort" . }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- with include (printf "%s.ingressPeers" .Chart.Name) . }}
      from:
        {{- . | nindent 8 }}
      {{- end }}
    {{- with include "smart-grid.prometheusPeer" . }}
    - ports:
        - port: metrics
          protocol: TCP
        {{- with include "smart-grid.meshPort" $ }}
        {{- . | nindent 8 }}
        {{- end }}
      from:
        {{- . | nindent 8 }}
    {{- end }}
    {{- with include "smart-grid.meshProbeIngress" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if eq .Chart.Name "edge" }}
    {{- include "edge.chargersIngress" . | nindent 4 }}
    {{- end }}
    {{- with .Values.networkPolicy.extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "smart-grid.dnsEgress" . | nindent 4 }}
    {{- with include (printf "%s.egressRules" .Chart.Name) . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with include "smart-grid.meshEgress" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.global.tracing.endpoint }}
    {{- include "smart-grid.tracingEgress" . | nindent 4 }}
    {{- end }}
    {{- with .Values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* To any address: a node-local DNS cache is no pod. */}}
{{- define "smart-grid.dnsEgress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}

{{/* To any address at the endpoint's port: a collector may be a pod, a node's agent or outside. "." is the endpoint. */}}
{{- define "smart-grid.tracingEgress" -}}
{{- $ports := dict "http" 80 "https" 443 -}}
{{- $url := urlParse . -}}
- ports:
    - port: {{ regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (get $ports $url.scheme) }}
      protocol: TCP
{{- end -}}

{{/* A service of the same release, whatever its names are overridden with: takes `component` and `root`. */}}
{{- define "smart-grid.servicePeer" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ .root.Release.Name }}
      app.kubernetes.io/component: {{ .component }}
      app.kubernetes.io/part-of: smart-grid
{{- end -}}

{{/* The services of the release that call this one. */}}
{{- define "smart-grid.callingPeers" -}}
{{- range $index, $component := (include "smart-grid.callingServices" . | fromJson).services }}
{{- if $index }}
{{ end -}}
{{ include "smart-grid.servicePeer" (dict "component" $component "root" $) }}
{{- end }}
{{- end -}}

{{/* To the edge, where it is installed. */}}
{{- define "smart-grid.edgeEgress" -}}
{{- if include "smart-grid.hasEdge" . }}
{{ include "smart-grid.serviceEgress" (dict "component" "edge" "root" .) }}
{{- end }}
{{- end -}}

{{/* The same, and whether the pods that call it are `outside` of a mesh. */}}
{{- define "smart-grid.serviceEgress" -}}
- to:
    {{- include "smart-grid.servicePeer" . | nindent 4 }}
  ports:
    - port: 8080
      protocol: TCP
    {{- if not .outside }}
    {{- with include "smart-grid.meshPort" .root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end -}}

{{/* To any address: the API server is no pod, and where it is differs from cluster to cluster. */}}
{{- define "smart-grid.apiServerEgress" -}}
- ports:
    {{- range .Values.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}

{{/* To the ports at which issuers publish their keys, at any address. */}}
{{- define "smart-grid.issuerEgress" -}}
{{- $urls := list }}
{{- range (include "smart-grid.otherIssuers" . | fromJson).issuers }}
{{- $urls = append $urls (.jwks | default "") }}
{{- end }}
{{- include "smart-grid.egressToPortsOf" $urls -}}
{{- end -}}

{{/* To the ports of these URLs, at any address. */}}
{{- define "smart-grid.egressToPortsOf" -}}
{{- $ports := list -}}
{{- range . }}
{{- $url := urlParse . }}
{{- if $url.host }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (get (dict "http" "80" "https" "443") $url.scheme) }}
{{- $ports = append $ports (int $port) }}
{{- end }}
{{- end }}
{{- with uniq $ports }}
- ports:
    {{- range . }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end }}
{{- end -}}

{{- define "smart-grid.prometheusPeer" -}}
{{- with .Values.global.prometheus -}}
- namespaceSelector:
    {{- toYaml .namespaceSelector | nindent 4 }}
  podSelector:
    {{- toYaml .podSelector | nindent 4 }}
{{- end }}
{{- end -}}
