{{- define "substation.settings" -}}
{{- if not (kindIs "invalid" .Values.capacityKw) -}}
SMARTGRID_CAPACITY_KW: {{ .Values.capacityKw | quote }}
{{ end -}}
SMARTGRID_TIME_SCALE: {{ .Values.timeScale | quote }}
{{- end -}}
