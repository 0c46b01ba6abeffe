{{- define "balancer.settings" -}}
SMARTGRID_POLICY: {{ .Values.policy | quote }}
SMARTGRID_POLL_INTERVAL_S: {{ .Values.pollIntervalSeconds | quote }}
{{- with .Values.attemptTimeoutSeconds | default (ternary 2 nil (not (empty .Values.global.regions))) }}
SMARTGRID_ATTEMPT_TIMEOUT_S: {{ . | quote }}
{{- end }}
{{- with .Values.requestTimeoutSeconds | default (ternary 4 nil (not (empty .Values.global.regions))) }}
SMARTGRID_REQUEST_TIMEOUT_S: {{ . | quote }}
{{- end }}
{{- with include "smart-grid.edgeUrl" . }}
SMARTGRID_EDGE_URL: {{ . | quote }}
{{- end }}
SMARTGRID_AWAY_LIFE_H: {{ .Values.awayLifeHours | quote }}
{{- with .Values.region }}
SMARTGRID_NAME: {{ . | quote }}
{{- end }}
{{- $hosts := list }}
{{- if .Values.ingress.enabled }}
{{- $hosts = concat $hosts .Values.ingress.hosts }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- $hosts = concat $hosts .Values.httpRoute.hostnames }}
{{- end }}
{{- with uniq $hosts }}
SMARTGRID_SERVICE_HOSTS: {{ join "," . | quote }}
{{- end }}
{{- with .Values.substations }}
SMARTGRID_SUBSTATIONS: {{ join "," . | quote }}
{{- end }}
{{- if .Values.global.regions }}
{{ include "balancer.regions" . }}
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
SMARTGRID_DISCOVERY: {{ include "balancer.discovery" . | quote }}
{{- if eq (include "balancer.discovery" .) "kubernetes" }}
SMARTGRID_KUBERNETES_NAMESPACE: {{ .Release.Namespace | quote }}
SMARTGRID_KUBERNETES_SERVICE: {{ include "balancer.substationService" . | quote }}
SMARTGRID_KUBERNETES_PORT: http
{{- end }}
{{- end -}}

{{/* The Service whose pods are the substations; their StatefulSet and its autoscaler have the same name. */}}
{{- define "balancer.substationService" -}}
{{- .Values.substationService | default (printf "%s-substation" (include "smart-grid.releaseName" .)) -}}
{{- end -}}

{{- define "balancer.discovery" -}}
{{- if .Values.global.regions }}static{{ else }}{{ .Values.discovery }}{{ end -}}
{{- end -}}

{{/* What it is told of its regions: where they are, how it proves itself there, and which cars are for them. */}}
{{- define "balancer.regions" -}}
{{- $folder := "/var/run/secrets/regions" -}}
{{- $members := list -}}
{{- $targets := list -}}
{{- $regions := list -}}
{{- range .Values.global.regions }}
{{- $members = append $members (printf "%s=%s" .name .url) }}
{{- $regions = append $regions (dict "name" .name "labels" (.labels | default dict) "priority" (.priority | default 0 | int)) }}
{{- $target := dict "url" .url }}
{{- if .auth }}
{{- $_ := set $target "token_file" (printf "%s/%s/token" $folder .name) }}
{{- end }}
{{- if (.tls | default dict).caSecret }}
{{- $_ := set $target "ca" (printf "%s/%s/ca.crt" $folder .name) }}
{{- end }}
{{- if gt (len $target) 1 }}
{{- $targets = append $targets $target }}
{{- end }}
{{- end -}}
SMARTGRID_SUBSTATIONS: {{ join "," $members | quote }}
SMARTGRID_REGIONS: {{ toJson $regions | quote }}
{{- with $targets }}
SMARTGRID_TARGETS: {{ toJson . | quote }}
{{- end }}
{{- with .Values.global.residency.label }}
SMARTGRID_RESIDENCY_LABEL: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Its tokens for regions, and their authorities; empty where it has none of its own. */}}
{{- define "balancer.regionSecrets" -}}
{{- $seconds := .Values.global.auth.services.expirationSeconds -}}
{{- range .Values.global.regions }}
{{- $name := .name }}
{{- with .auth }}
{{- with .audience }}
- serviceAccountToken:
    path: {{ $name }}/token
    audience: {{ . }}
    expirationSeconds: {{ $seconds }}
{{- end }}
{{- with .tokenSecret }}
- secret:
    name: {{ .name }}
    items:
      - key: {{ .key | default "token" }}
        path: {{ $name }}/token
{{- end }}
{{- end }}
{{- with (.tls | default dict).caSecret }}
- secret:
    name: {{ .name }}
    items:
      - key: {{ .key | default "ca.crt" }}
        path: {{ $name }}/ca.crt
{{- end }}
{{- end }}
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
