{{- define "loadtest.target" -}}
{{- .Values.target | default (printf "http://%s-gateway:8080" (include "smart-grid.releaseName" .)) -}}
{{- end -}}

{{/*
Waits until the gateway is ready and no further substation has become ready for a while, for as long as the Job may run.
The headless Service's DNS name has an address for each substation that is ready.
*/}}
{{- define "loadtest.wait" -}}
import socket, sys, time, urllib.request
READY, SERVICE, SETTLE_S = sys.argv[1], sys.argv[2], float(sys.argv[3])
def gateway():
    try:
        return urllib.request.urlopen(READY, timeout=5).status == 200
    except OSError:
        return False
def substations():
    try:
        return len({address[4][0] for address in socket.getaddrinfo(SERVICE, None)})
    except OSError:
        return 0
seen, since_s = None, time.monotonic()
while seen is None or time.monotonic() - since_s < SETTLE_S:
    now = gateway(), substations()
    if now != seen:
        print("gateway ready: %s, substations ready: %d" % now, flush=True)
    if now != seen or not now[0]:
        seen, since_s = now, time.monotonic()
    time.sleep(1)
{{- end -}}

{{- define "loadtest.arguments" -}}
- --scenario={{ .Values.scenario }}
- --target={{ include "loadtest.target" . }}
- --timeout={{ .Values.timeoutSeconds }}
{{- /* As whole numbers: a million would else be written 1e+06. */}}
{{- range $option, $value := dict "seed" .Values.seed "requests" .Values.requests "users" .Values.users }}
{{- if not (kindIs "invalid" $value) }}
- --{{ $option }}={{ int64 $value }}
{{- end }}
{{- end }}
{{- range $option, $value := dict "ramp-up" .Values.rampUpSeconds "wait" .Values.waitSeconds "speedup" .Values.trace.speedup
    "min-success-rate" .Values.thresholds.minSuccessRate "max-p95-ms" .Values.thresholds.maxP95Ms }}
{{- if not (kindIs "invalid" $value) }}
- --{{ $option }}={{ $value }}
{{- end }}
{{- end }}
{{- if .Values.trace.configMap }}
- --trace=/trace/{{ .Values.trace.key }}
{{- end }}
{{- end -}}

{{- define "loadtest.env" -}}
{{- $env := list -}}
{{- with .Values.token -}}
{{- if .secretName -}}
{{- $source := dict "secretKeyRef" (dict "name" .secretName "key" .secretKey) -}}
{{- $env = append $env (dict "name" "SMARTGRID_TOKEN" "valueFrom" $source) -}}
{{- end -}}
{{- end -}}
{{- with concat .Values.extraEnv $env }}{{ toYaml . }}{{ end -}}
{{- end -}}
