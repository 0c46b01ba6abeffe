{{- define "substation.ingressPeers" -}}
{{ include "smart-grid.callingPeers" . }}
{{- end -}}

{{/* A substation calls nobody, but reads the API server's public keys, to know its callers by. */}}
{{- define "substation.egressRules" -}}
{{- if include "smart-grid.readsServiceKeys" . -}}
{{ include "smart-grid.apiServerEgress" . }}
{{- end }}
{{- include "smart-grid.issuerEgress" . }}
{{- end -}}
