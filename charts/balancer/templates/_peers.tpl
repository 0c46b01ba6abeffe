{{- define "balancer.ingressPeers" -}}
{{ include "smart-grid.servicePeer" (dict "component" "gateway" "root" .) }}
{{- end -}}

{{- define "balancer.egressRules" -}}
{{ include "smart-grid.serviceEgress" (dict "component" "substation" "root" .) }}
{{- if eq .Values.discovery "kubernetes" }}
# The API server, to any address: it is no pod, and where it is differs from cluster to cluster.
- ports:
    {{- range .Values.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end }}
{{- if or .Values.substations .Values.allowedTargets }}
# Substations by hand may be anywhere; the balancer itself holds to its list.
- {}
{{- end }}
{{- end -}}
