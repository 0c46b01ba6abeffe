{{- define "substation.ingressPeers" -}}
{{ include "smart-grid.servicePeer" (dict "component" "balancer" "root" .) }}
{{- end -}}

{{/* A substation calls nobody. */}}
{{- define "substation.egressRules" -}}
{{- end -}}
