{{- define "gateway.settings" -}}
SMARTGRID_BALANCER_URL: {{ .Values.balancerUrl | default (printf "http://%s-balancer:8080" (include "smart-grid.releaseName" .)) | quote }}
{{- end -}}
