{{- define "gateway.settings" -}}
SMARTGRID_BALANCER_URL: {{ .Values.balancerUrl | default (printf "http://%s-balancer:8080" (include "smart-grid.releaseName" .)) | quote }}
{{- with .Values.balancerTimeoutSeconds | default (ternary 5 nil (not (empty .Values.global.regions))) }}
SMARTGRID_BALANCER_TIMEOUT_S: {{ . | quote }}
{{- end }}
{{- with include "smart-grid.edgeUrl" . }}
SMARTGRID_EDGE_URL: {{ . | quote }}
{{- end }}
{{- with .Values.rateLimit }}
SMARTGRID_RATE_LIMIT: {{ . | quote }}
{{- end }}
{{- with .Values.trustedProxies }}
SMARTGRID_TRUSTED_PROXIES: {{ join "," . | quote }}
{{- end }}
{{- if include "gateway.tlsSecret" . }}
SMARTGRID_TLS_CERT_FILE: /var/run/secrets/tls/tls.crt
SMARTGRID_TLS_KEY_FILE: /var/run/secrets/tls/tls.key
{{- end }}
{{- end -}}

{{/* The Secret with the certificate; empty where the gateway speaks http. */}}
{{- define "gateway.tlsSecret" -}}
{{- if .Values.tls.secretName }}{{ .Values.tls.secretName }}{{ else if .Values.tls.certificate.enabled }}{{ include "smart-grid.fullname" . }}-tls{{ end -}}
{{- end -}}

{{- define "gateway.scheme" -}}
{{- if include "gateway.tlsSecret" . }}https{{ else }}http{{ end -}}
{{- end -}}
