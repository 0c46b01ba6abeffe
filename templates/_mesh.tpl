{{/*
A service mesh around the pods (docs/mesh.md). By `global.mesh` pods join it, network policies let its traffic through, and the
grid's own rules are told to it: cars are not repeated by a proxy, and who may call whom is as in the network policies.
Kinds that the cluster does not know are left out. "." is a subchart's scope.
*/}}

{{- define "smart-grid.inMesh" -}}
{{- if and (ne .Values.global.mesh "none") (ne .Chart.Name "loadtest") }}true{{ end -}}
{{- end -}}

{{/* By labels of its own, a pod joins whatever its namespace says. */}}
{{- define "smart-grid.meshLabels" -}}
{{- if eq .Chart.Name "loadtest" }}
{{- include "smart-grid.outsideOfMesh" . }}
{{- else if eq .Values.global.mesh "istio-sidecar" -}}
sidecar.istio.io/inject: "true"
{{- else if eq .Values.global.mesh "istio-ambient" -}}
istio.io/dataplane-mode: ambient
{{- end }}
{{- end -}}

{{/* What runs once stays out: a sidecar would keep it from ending, and the gateway takes callers from outside. */}}
{{- define "smart-grid.outsideOfMesh" -}}
sidecar.istio.io/inject: "false"
istio.io/dataplane-mode: none
{{- end -}}

{{/* The sidecar goes on for as long as the service serves and drains: its default of 5 s would cut off what is under way. */}}
{{- define "smart-grid.meshAnnotations" -}}
{{- if and (include "smart-grid.inMesh" .) (eq .Values.global.mesh "istio-sidecar") -}}
{{- $drain_s := add (ceil .Values.shutdownDelaySeconds) (ceil .Values.drainTimeoutSeconds) 1 -}}
proxy.istio.io/config: {{ dict "terminationDrainDuration" (printf "%ds" $drain_s) | toJson | quote }}
{{- end }}
{{- end -}}

{{/* In ambient mode traffic between pods of the mesh travels by this port, whatever port it is for. */}}
{{- define "smart-grid.meshPort" -}}
{{- if eq .Values.global.mesh "istio-ambient" -}}
- port: 15008
  protocol: TCP
{{- end }}
{{- end -}}

{{/* In ambient mode the kubelet's probes seem to come from this address, which not every network plugin takes for the node's. */}}
{{- define "smart-grid.meshProbeIngress" -}}
{{- if eq .Values.global.mesh "istio-ambient" -}}
- ports:
    - port: metrics
      protocol: TCP
  from:
    - ipBlock:
        cidr: 169.254.7.127/32
{{- end }}
{{- end -}}

{{/* A sidecar gets its certificate and its routes from istiod. */}}
{{- define "smart-grid.meshEgress" -}}
{{- if eq .Values.global.mesh "istio-sidecar" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Values.global.istio.namespace }}
      podSelector:
        matchLabels:
          app: istiod
  ports:
    - port: 15012
      protocol: TCP
{{- end }}
{{- end -}}

{{- define "smart-grid.meshMetadata" -}}
metadata:
  name: {{ include "smart-grid.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" . | nindent 4 }}
{{- end -}}

{{/* Takes `kind` with its API, `enabled` and `root`. */}}
{{- define "smart-grid.meshWanted" -}}
{{- if include "smart-grid.inMesh" .root }}{{ include "smart-grid.wanted" . }}{{ end -}}
{{- end -}}

{{/*
No retries on the way here: a proxy's repeat of a car has no number of its own, or at a gateway no key (docs/protocol.md), and
a refusal for want of room (503) is an answer, not a fault. No time limit either, as long polls take theirs.
*/}}
{{- define "smart-grid.meshRoute" -}}
{{- include "smart-grid.meshRouteOf" (dict "host" (include "smart-grid.fullname" .) "ports" (list (.Values.service.port | default 8080)) "root" .) }}
{{- end -}}

{{/* The same for one Service: takes its name as `host`, its `ports` and `root`. */}}
{{- define "smart-grid.meshRouteOf" -}}
{{- $api := "networking.istio.io/v1/VirtualService" -}}
{{- if include "smart-grid.meshWanted" (dict "enabled" .root.Values.global.istio.routes "api" $api "root" .root) }}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {{ .host }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "smart-grid.labels" .root | nindent 4 }}
spec:
  hosts:
    - {{ .host }}
  http:
    {{- range .ports }}
    - retries:
        attempts: 0
      {{- if gt (len $.ports) 1 }}
      match:
        - port: {{ . }}
      {{- end }}
      route:
        - destination:
            host: {{ $.host }}
            port:
              number: {{ . }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* The metrics stay open to a Prometheus outside of the mesh; who that may be, the network policy says. */}}
{{- define "smart-grid.meshStrict" -}}
{{- $api := "security.istio.io/v1/PeerAuthentication" -}}
{{- if include "smart-grid.meshWanted" (dict "enabled" .Values.global.istio.policies "api" $api "root" .) }}
apiVersion: security.istio.io/v1
kind: PeerAuthentication
{{ include "smart-grid.meshMetadata" . }}
spec:
  selector:
    matchLabels:
      {{- include "smart-grid.selectorLabels" . | nindent 6 }}
  {{- if eq .Chart.Name "gateway" }}
  # The public entry: callers may be outside of the mesh, whatever its default is.
  mtls:
    mode: PERMISSIVE
  {{- else }}
  mtls:
    mode: STRICT
  portLevelMtls:
    9090:
      mode: PERMISSIVE
    {{- if eq .Chart.Name "edge" }}
    9000:
      mode: PERMISSIVE
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Who may call, by service account, as the network policy has it by labels: takes its subchart's scope. */}}
{{- define "smart-grid.meshCallers" -}}
{{- $api := "security.istio.io/v1/AuthorizationPolicy" -}}
{{- if include "smart-grid.meshWanted" (dict "enabled" .Values.global.istio.policies "api" $api "root" .) }}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
{{ include "smart-grid.meshMetadata" . }}
spec:
  selector:
    matchLabels:
      {{- include "smart-grid.selectorLabels" . | nindent 6 }}
  action: ALLOW
  rules:
    - from:
        - source:
            principals:
              {{- range concat (include "smart-grid.callers" . | fromJson).accounts .Values.global.istio.callers }}
              - {{ include "smart-grid.principal" (dict "name" . "namespace" $.Release.Namespace "trustDomain" $.Values.global.istio.trustDomain) }}
              {{- end }}
      to:
        - operation:
            ports: ["8080"]
    - to:
        - operation:
            ports: ["9090"]
    {{- if eq .Chart.Name "edge" }}
    # Chargers are in no mesh; the edge itself asks who they are.
    - to:
        - operation:
            ports: ["9000"]
    {{- end }}
{{- end }}
{{- end -}}

{{/* A service account as the mesh names it: takes `name`, the `namespace` of one without, and the `trustDomain`. */}}
{{- define "smart-grid.principal" -}}
{{- $parts := splitList ":" (include "smart-grid.subject" .) -}}
{{ .trustDomain }}/ns/{{ index $parts 2 }}/sa/{{ index $parts 3 }}
{{- end -}}

{{/*
Drivers' tokens, looked at before the gateway does, and handed on to it. Only at the gateway: the tokens of services have an
issuer that is none of these, and would be refused.
*/}}
{{- define "smart-grid.meshTokens" -}}
{{- $api := "security.istio.io/v1/RequestAuthentication" -}}
{{- if include "smart-grid.meshWanted" (dict "enabled" .Values.global.istio.checkTokens "api" $api "root" .) }}
apiVersion: security.istio.io/v1
kind: RequestAuthentication
{{ include "smart-grid.meshMetadata" . }}
spec:
  {{- if eq .Values.global.mesh "istio-ambient" }}
  # By the Service, where a waypoint looks at requests; ztunnel does not.
  targetRefs:
    - group: ""
      kind: Service
      name: {{ include "smart-grid.fullname" . }}
  {{- else }}
  selector:
    matchLabels:
      {{- include "smart-grid.selectorLabels" . | nindent 6 }}
  {{- end }}
  jwtRules:
    {{- range .Values.global.auth.issuers }}
    - issuer: {{ .issuer | quote }}
      audiences: [{{ .audience | quote }}]
      jwksUri: {{ .jwks | quote }}
      forwardOriginalToken: true
    {{- end }}
{{- end }}
{{- end -}}
