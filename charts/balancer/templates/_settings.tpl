{{- define "balancer.settings" -}}
SMARTGRID_POLICY: {{ .Values.policy | quote }}
SMARTGRID_POLL_INTERVAL_S: {{ .Values.pollIntervalSeconds | quote }}
{{- with .Values.attemptTimeoutSeconds }}
SMARTGRID_ATTEMPT_TIMEOUT_S: {{ . | quote }}
{{- end }}
SMARTGRID_AWAY_LIFE_H: {{ .Values.awayLifeHours | quote }}
{{- with .Values.substations }}
SMARTGRID_SUBSTATIONS: {{ join "," . | quote }}
{{- end }}
SMARTGRID_ALLOWED_TARGETS: {{ join "," .Values.allowedTargets | default "none" | quote }}
SMARTGRID_DISCOVERY: {{ .Values.discovery | quote }}
{{- if eq .Values.discovery "kubernetes" }}
SMARTGRID_KUBERNETES_NAMESPACE: {{ .Release.Namespace | quote }}
SMARTGRID_KUBERNETES_SERVICE: {{ .Values.substationService | default (printf "%s-substation" (include "smart-grid.releaseName" .)) | quote }}
SMARTGRID_KUBERNETES_PORT: http
{{- end }}
{{- end -}}
