{{/* Everyone may call the gateway. */}}
{{- define "gateway.ingressPeers" -}}
{{- end -}}

{{- define "gateway.egressRules" -}}
{{ include "smart-grid.serviceEgress" (dict "component" "balancer" "root" .) }}
{{- include "smart-grid.issuerEgress" . }}
{{- include "smart-grid.edgeEgress" . }}
{{- end -}}
