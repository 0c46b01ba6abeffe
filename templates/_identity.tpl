{{/*
Who may call a service, and how a service proves itself (docs/security.md). "." is a subchart's scope.

Services prove themselves by their pod's service-account token, made by Kubernetes for the audience of this release and
no other. Who is called checks it with the API server's public keys, which it reads in the background: no request waits
for the API server, and nothing secret is in the chart.
*/}}

{{- define "smart-grid.audience" -}}
{{- .Values.global.auth.services.audience | default (printf "smart-grid-%s-%s" .Release.Namespace (include "smart-grid.releaseName" .)) -}}
{{- end -}}

{{/* Whether this service is called by others of them, and whether it calls any. */}}
{{- define "smart-grid.isCalled" -}}
{{- if and .Values.global.auth.services.enabled (has .Chart.Name (list "substation" "balancer" "edge")) }}true{{ end -}}
{{- end -}}

{{- define "smart-grid.isCalling" -}}
{{- if and .Values.global.auth.services.enabled (has .Chart.Name (list "balancer" "gateway" "edge")) }}true{{ end -}}
{{- end -}}

{{/* Whether it reads the public keys of service accounts from the API server. */}}
{{- define "smart-grid.readsServiceKeys" -}}
{{- if and (include "smart-grid.isCalled" .) (not .Values.global.auth.services.jwks.configMap) }}true{{ end -}}
{{- end -}}

{{/* Which services of the release call this one, as {"services": [...]}. Network policies, tokens and the mesh have it from here. */}}
{{- define "smart-grid.callingServices" -}}
{{- $callers := get (dict "substation" (list "balancer") "balancer" (list "gateway") "edge" (list "gateway" "balancer")) .Chart.Name -}}
{{- if include "smart-grid.hasEdge" . }}
{{- $callers = append $callers "edge" }}
{{- end }}
{{- toJson (dict "services" $callers) -}}
{{- end -}}

{{/* The service accounts that may call this service, as {"accounts": [...]}: its value `callers`, else the release's own. */}}
{{- define "smart-grid.callers" -}}
{{- $own := list -}}
{{- range (include "smart-grid.callingServices" . | fromJson).services }}
{{- $own = append $own (printf "%s-%s" (include "smart-grid.releaseName" $) .) }}
{{- end }}
{{- toJson (dict "accounts" (.Values.callers | default $own)) -}}
{{- end -}}

{{- define "smart-grid.subject" -}}
{{- if contains ":" .name }}{{ .name }}{{ else }}system:serviceaccount:{{ .namespace }}:{{ .name }}{{ end -}}
{{- end -}}

{{/* The issuer of service-account tokens: whom it vouches for, and what they may do, by name. */}}
{{- define "smart-grid.serviceIssuer" -}}
{{- $services := .Values.global.auth.services -}}
{{- $folder := "/var/run/secrets/smart-grid" -}}
{{- $grants := dict -}}
{{- range .Values.global.auth.operators }}
{{- $_ := set $grants (include "smart-grid.subject" (dict "name" . "namespace" $.Release.Namespace)) (list "grid:read" "grid:operate" "charge:read" "charge:write") }}
{{- end }}
{{- $fromOutside := (.Values.regionAccess | default dict).serviceAccounts | default list }}
{{- range concat (include "smart-grid.callers" . | fromJson).accounts $fromOutside }}
{{- $_ := set $grants (include "smart-grid.subject" (dict "name" . "namespace" $.Release.Namespace)) (list "grid:service") }}
{{- end }}
{{- $issuer := dict "audience" (include "smart-grid.audience" .) "claims" (dict "scope" "sub") "grants" $grants -}}
{{- if $services.jwks.configMap }}
{{- $_ := set $issuer "issuer" $services.jwks.issuer }}
{{- $_ := set $issuer "jwks" (printf "%s/keys.json" $folder) }}
{{- else }}
{{- $_ := set $issuer "issuer_from" (printf "%s/api-token" $folder) }}
{{- $_ := set $issuer "jwks" "https://kubernetes.default.svc/openid/v1/jwks" }}
{{- $_ := set $issuer "ca" (printf "%s/ca.crt" $folder) }}
{{- $_ := set $issuer "bearer_token_file" (printf "%s/api-token" $folder) }}
{{- end }}
{{- toJson $issuer -}}
{{- end -}}

{{/*
The issuers besides that of service accounts, as {"issuers": [...]}: those of people, which say where their cars may be charged where
that is asked of them, and those of balancers in front of this one.
*/}}
{{- define "smart-grid.otherIssuers" -}}
{{- $found := list -}}
{{- $claim := .Values.global.residency.claim -}}
{{- range .Values.global.auth.issuers }}
{{- $issuer := . }}
{{- if $claim }}
{{- $claims := merge (dict) (.claims | default dict) (dict "residency" $claim) }}
{{- $issuer = set (deepCopy .) "claims" $claims }}
{{- end }}
{{- $found = append $found $issuer }}
{{- end }}
{{- range (.Values.regionAccess | default dict).issuers }}
{{- $grants := dict }}
{{- range .subjects }}
{{- $_ := set $grants . (list "grid:service") }}
{{- end }}
{{- $found = append $found (merge (dict "claims" (dict "scope" "sub") "grants" $grants) (omit . "subjects")) }}
{{- end }}
{{- toJson (dict "issuers" $found) -}}
{{- end -}}

{{/* Whether the balancer can be reached by others than the release's own pods. */}}
{{- define "smart-grid.isOpen" -}}
{{- if or (.Values.regionAccess | default dict).peers (and (eq .Chart.Name "balancer") (or .Values.ingress.enabled .Values.httpRoute.enabled)) }}true{{ end -}}
{{- end -}}

{{/* The settings: whose tokens are believed; where there is nobody's, that nothing is asked. */}}
{{- define "smart-grid.identitySettings" -}}
{{- $issuers := (include "smart-grid.otherIssuers" . | fromJson).issuers -}}
{{- if include "smart-grid.isCalled" . }}
{{- $issuers = prepend $issuers (include "smart-grid.serviceIssuer" . | fromJson) }}
{{- end }}
{{- if $issuers -}}
SMARTGRID_AUTH_ISSUERS: {{ toJson $issuers | quote }}
{{- if and (eq .Chart.Name "balancer") (not .Values.global.auth.issuers) (not (include "smart-grid.isOpen" .)) }}
# Nobody could sign in to the console. Only the gateway's pods, and who may forward a port, reach it.
SMARTGRID_AUTH_ANONYMOUS: grid:read
{{- end }}
{{- else -}}
SMARTGRID_AUTH: "off"
{{- end }}
{{- if include "smart-grid.isCalling" . }}
SMARTGRID_SERVICE_TOKEN_FILE: /var/run/secrets/smart-grid/token
{{- end }}
{{- end -}}

{{- define "smart-grid.identityMount" -}}
{{- if .Values.global.auth.services.enabled -}}
- name: identity
  mountPath: /var/run/secrets/smart-grid
  readOnly: true
{{- end }}
{{- end -}}

{{- define "smart-grid.identityVolume" -}}
{{- $services := .Values.global.auth.services -}}
{{- if $services.enabled -}}
- name: identity
  projected:
    sources:
      {{- if include "smart-grid.isCalling" . }}
      - serviceAccountToken:
          path: token
          audience: {{ include "smart-grid.audience" . }}
          expirationSeconds: {{ $services.expirationSeconds }}
      {{- end }}
      {{- if include "smart-grid.isCalled" . }}
      {{- if $services.jwks.configMap }}
      - configMap:
          name: {{ $services.jwks.configMap }}
          items:
            - key: {{ $services.jwks.key }}
              path: keys.json
      {{- else }}
      # For the API server itself, which tells its keys to service accounts only.
      - serviceAccountToken:
          path: api-token
          expirationSeconds: {{ $services.expirationSeconds }}
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      {{- end }}
      {{- end }}
{{- end }}
{{- end -}}
