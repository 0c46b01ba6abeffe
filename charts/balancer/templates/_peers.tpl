{{- define "balancer.ingressPeers" -}}
{{ include "smart-grid.callingPeers" . }}
{{- with .Values.regionAccess.peers }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "balancer.egressRules" -}}
{{- if .Values.global.regions }}
{{- $urls := list }}
{{- range .Values.global.regions }}
{{- $urls = append $urls .url }}
{{- end }}
{{- include "smart-grid.egressToPortsOf" $urls }}
{{- with include "smart-grid.meshPort" . }}
- ports:
    {{- . | nindent 4 }}
{{- end }}
{{- else }}
{{ include "smart-grid.serviceEgress" (dict "component" "substation" "root" .) }}
{{- end }}
{{- if or (eq (include "balancer.discovery" .) "kubernetes") (include "smart-grid.readsServiceKeys" .) }}
{{ include "smart-grid.apiServerEgress" . }}
{{- end }}
{{- include "smart-grid.issuerEgress" . }}
{{- include "smart-grid.edgeEgress" . }}
{{- if or .Values.substations .Values.allowedTargets }}
# Substations by hand may be anywhere; the balancer itself holds to its list.
- {}
{{- end }}
{{- end -}}

{{/* What a balancer in front of this one asks it for: nothing else of it is on an Ingress or an HTTPRoute. */}}
{{- define "balancer.pathsOfRegions" -}}
{{- toJson (list "/charge" "/status" "/forecast" "/waiting" "/substations") -}}
{{- end -}}
