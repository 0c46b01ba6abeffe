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
{{- with .Values.console }}
{{- if .url }}
SMARTGRID_CONSOLE_URL: {{ .url | quote }}
SMARTGRID_CONSOLE_ISSUER: {{ .issuer | quote }}
SMARTGRID_CONSOLE_CLIENT_ID: {{ .clientId | quote }}
SMARTGRID_CONSOLE_SCOPE: {{ .scope | quote }}
SMARTGRID_CONSOLE_SESSION_H: {{ .sessionHours | quote }}
{{- if .sessionKey.secretName }}
SMARTGRID_CONSOLE_KEY_FILE: /var/run/secrets/console/session-key
{{- end }}
{{- if .clientSecret.secretName }}
SMARTGRID_CONSOLE_CLIENT_SECRET_FILE: /var/run/secrets/console/client-secret
{{- end }}
{{- end }}
{{- end }}
SMARTGRID_DISCOVERY: {{ .Values.discovery | quote }}
{{- if eq .Values.discovery "kubernetes" }}
SMARTGRID_KUBERNETES_NAMESPACE: {{ .Release.Namespace | quote }}
SMARTGRID_KUBERNETES_SERVICE: {{ include "balancer.substationService" . | quote }}
SMARTGRID_KUBERNETES_PORT: http
{{- end }}
{{- end -}}

{{/* The Service whose pods are the substations; their StatefulSet and its autoscaler have the same name. */}}
{{- define "balancer.substationService" -}}
{{- .Values.substationService | default (printf "%s-substation" (include "smart-grid.releaseName" .)) -}}
{{- end -}}

{{/* Where the console's secrets come from; empty where it has none. */}}
{{- define "balancer.consoleSecrets" -}}
{{- with .Values.console.sessionKey }}
{{- if .secretName }}
- secret:
    name: {{ .secretName }}
    items:
      - key: {{ .secretKey }}
        path: session-key
{{- end }}
{{- end }}
{{- with .Values.console.clientSecret }}
{{- if .secretName }}
- secret:
    name: {{ .secretName }}
    items:
      - key: {{ .secretKey }}
        path: client-secret
{{- end }}
{{- end }}
{{- end -}}
