{{- define "balancer.ingressPeers" -}}
{{ include "smart-grid.servicePeer" (dict "component" "gateway" "root" .) }}
{{- end -}}

{{- define "balancer.egressRules" -}}
{{ include "smart-grid.serviceEgress" (dict "component" "substation" "root" .) }}
{{- if or (eq .Values.discovery "kubernetes") (include "smart-grid.readsServiceKeys" .) }}
{{ include "smart-grid.apiServerEgress" . }}
{{- end }}
{{- include "smart-grid.issuerEgress" . }}
{{- if or .Values.substations .Values.allowedTargets }}
# Substations by hand may be anywhere; the balancer itself holds to its list.
- {}
{{- end }}
{{- end -}}
