{{- define "loadtest.arguments" -}}
- --scenario={{ .Values.scenario }}
- --target={{ .Values.target | default (printf "http://%s-gateway:8080" (include "smart-grid.releaseName" .)) }}
- --seed={{ .Values.seed }}
- --timeout={{ .Values.timeoutSeconds }}
{{- range $option, $value := dict
    "requests" .Values.requests "users" .Values.users "ramp-up" .Values.rampUpSeconds "speedup" .Values.trace.speedup
    "min-success-rate" .Values.thresholds.minSuccessRate "max-p95-ms" .Values.thresholds.maxP95Ms }}
{{- if not (kindIs "invalid" $value) }}
- --{{ $option }}={{ $value }}
{{- end }}
{{- end }}
{{- if .Values.trace.configMap }}
- --trace=/trace/{{ .Values.trace.key }}
{{- end }}
{{- end -}}
