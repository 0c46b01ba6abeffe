{{- define "edge.settings" -}}
SMARTGRID_OCPP_HOST: "0.0.0.0"
SMARTGRID_OCPP_PORT: "9000"
SMARTGRID_BALANCER_URL: {{ .Values.balancerUrl | default (printf "http://%s-balancer:8080" (include "smart-grid.releaseName" .)) | quote }}
SMARTGRID_PEER_TEMPLATE: {{ include "edge.peerTemplate" . | quote }}
SMARTGRID_REGISTRATION: {{ .Values.registration | quote }}
SMARTGRID_HEARTBEAT_S: {{ int64 .Values.heartbeatSeconds | quote }}
SMARTGRID_METER_INTERVAL_S: {{ int64 .Values.meterIntervalSeconds | quote }}
SMARTGRID_MAX_CHARGERS: {{ int64 .Values.maxChargers | quote }}
SMARTGRID_MAX_INBOX_MESSAGES: {{ int64 .Values.maxInboxMessages | quote }}
{{- with .Values.trustedProxies }}
SMARTGRID_TRUSTED_PROXIES: {{ join "," . | quote }}
{{- end }}
{{- with .Values.clientCertificateHeader }}
SMARTGRID_CLIENT_CERTIFICATE_HEADER: {{ . | quote }}
{{- end }}
{{- if .Values.tls.secretName }}
SMARTGRID_OCPP_TLS_CERT_FILE: /var/run/secrets/tls/tls.crt
SMARTGRID_OCPP_TLS_KEY_FILE: /var/run/secrets/tls/tls.key
{{- end }}
{{- range include "edge.fileSources" . | fromJsonArray }}
{{ .variable }}: {{ include "edge.folder" $ }}/{{ .file }}
{{- end }}
{{- end -}}

{{- define "edge.peersService" -}}
{{ include "smart-grid.fullname" . }}-peers
{{- end -}}

{{/* The addresses of each edge: {n} is its number. */}}
{{- define "edge.peerTemplate" -}}
{{- $host := printf "%s-{n}.%s.%s.svc" (include "smart-grid.fullname" .) (include "edge.peersService" .) .Release.Namespace -}}
ws://{{ $host }}:9000|http://{{ $host }}:8080
{{- end -}}

{{/* A WebSocket begins as a request of HTTP. */}}
{{- define "edge.ocppProtocol" -}}
{{ if .Values.tls.secretName }}https{{ else }}http{{ end }}
{{- end -}}

{{- define "edge.folder" -}}
/var/run/secrets/edge
{{- end -}}

{{/* The files that it is given, each with the setting that names it, and the Secret or ConfigMap that has it. */}}
{{- define "edge.fileSources" -}}
{{- $found := list -}}
{{- with .Values.chargers }}
{{- if .secretName }}
{{- $found = append $found (dict "variable" "SMARTGRID_CHARGERS_FILE" "file" "chargers.json" "secret" .secretName "key" .secretKey) }}
{{- end }}
{{- end }}
{{- with .Values.idTags }}
{{- if .secretName }}
{{- $found = append $found (dict "variable" "SMARTGRID_ID_TAGS_FILE" "file" "id-tags" "secret" .secretName "key" .secretKey) }}
{{- end }}
{{- end }}
{{- with .Values.quirks }}
{{- if .configMap }}
{{- $found = append $found (dict "variable" "SMARTGRID_QUIRKS_FILE" "file" "quirks.json" "configMap" .configMap "key" .key) }}
{{- end }}
{{- end }}
{{- with .Values.peerSecret }}
{{- if .secretName }}
{{- $found = append $found (dict "variable" "SMARTGRID_PEER_SECRET_FILE" "file" "peer-secret" "secret" .secretName "key" .secretKey) }}
{{- end }}
{{- end }}
{{- with .Values.tls.clientCa }}
{{- if .secretName }}
{{- $found = append $found (dict "variable" "SMARTGRID_OCPP_CLIENT_CA_FILE" "file" "client-ca.crt" "secret" .secretName "key" .secretKey) }}
{{- end }}
{{- end }}
{{- toJson $found -}}
{{- end -}}

{{/* The volume with them; empty where there are none. */}}
{{- define "edge.files" -}}
{{- range include "edge.fileSources" . | fromJsonArray }}
- {{ if .secret }}secret{{ else }}configMap{{ end }}:
    name: {{ .secret | default .configMap }}
    items:
      - key: {{ .key }}
        path: {{ .file }}
{{- end }}
{{- end -}}
