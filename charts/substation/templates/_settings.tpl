{{- define "substation.settings" -}}
{{- if not (kindIs "invalid" .Values.capacityKw) -}}
SMARTGRID_CAPACITY_KW: {{ .Values.capacityKw | quote }}
{{ end -}}
SMARTGRID_TIME_SCALE: {{ .Values.timeScale | quote }}
{{- with .Values.maxActiveSessions }}
SMARTGRID_MAX_ACTIVE: {{ int64 . | quote }}
{{- end }}
{{- if not (kindIs "invalid" .Values.firmCapacityKw) }}
SMARTGRID_FIRM_CAPACITY_KW: {{ .Values.firmCapacityKw | quote }}
{{- end }}
SMARTGRID_RESERVATION_S: {{ .Values.reservationSeconds | quote }}
SMARTGRID_LEASE_S: {{ .Values.leaseSeconds | quote }}
SMARTGRID_MAX_SESSION_H: {{ .Values.maxSessionHours | quote }}
SMARTGRID_MAX_WAITING: {{ int64 .Values.maxWaitingCars | quote }}
SMARTGRID_KEEP_ENDED: {{ int64 .Values.keepEndedSessions | quote }}
SMARTGRID_MAX_CLOCK_BACK_S: {{ .Values.maxClockBackSeconds | quote }}
{{- end -}}
