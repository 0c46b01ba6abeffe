{{- define "loadtest.arguments" -}}
- --scenario={{ .Values.scenario }}
- --target={{ .Values.target | default (printf "http://%s-gateway:8080" (include "smart-grid.releaseName" .)) }}
- --timeout={{ .Values.timeoutSeconds }}
{{- /* As whole numbers: a million would else be written 1e+06. */}}
{{- range $option, $value := dict "seed" .Values.seed "requests" .Values.requests "users" .Values.users }}
{{- if not (kindIs "invalid" $value) }}
- --{{ $option }}={{ int64 $value }}
{{- end }}
{{- end }}
{{- range $option, $value := dict "ramp-up" .Values.rampUpSeconds "speedup" .Values.trace.speedup
    "min-success-rate" .Values.thresholds.minSuccessRate "max-p95-ms" .Values.thresholds.maxP95Ms }}
{{- if not (kindIs "invalid" $value) }}
- --{{ $option }}={{ $value }}
{{- end }}
{{- end }}
{{- if .Values.trace.configMap }}
- --trace=/trace/{{ .Values.trace.key }}
{{- end }}
{{- end -}}
