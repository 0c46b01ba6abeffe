{{/* This is read only where the edge is installed: see the root chart's templates/if/not/installed/_edge.tpl. */}}
{{- define "smart-grid.hasEdge" -}}true{{- end -}}
