{{- define "edge.ingressPeers" -}}
{{ include "smart-grid.callingPeers" . }}
{{- end -}}

{{/* Chargers come from anywhere, unless it is said from where; edges pass those on that are another's. */}}
{{- define "edge.chargersIngress" -}}
- ports:
    - port: ocpp
      protocol: TCP
    {{- with include "smart-grid.meshPort" . }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- with .Values.networkPolicy.chargers }}
  from:
    {{- include "smart-grid.servicePeer" (dict "component" "edge" "root" $) | nindent 4 }}
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "edge.egressRules" -}}
{{ include "smart-grid.serviceEgress" (dict "component" "substation" "root" .) }}
{{ include "smart-grid.serviceEgress" (dict "component" "balancer" "root" .) }}
- to:
    {{- include "smart-grid.servicePeer" (dict "component" "edge" "root" .) | nindent 4 }}
  ports:
    - port: 8080
      protocol: TCP
    - port: 9000
      protocol: TCP
    {{- with include "smart-grid.meshPort" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- if include "smart-grid.readsServiceKeys" . }}
{{ include "smart-grid.apiServerEgress" . }}
{{- end }}
{{- include "smart-grid.issuerEgress" . }}
{{- end -}}
