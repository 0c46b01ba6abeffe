{{/*
Whether the edge is installed, for the charts of the services that it calls and that call it: a subchart sees no values of
another. Here is what is so without it. With it, the template of this name in charts/edge takes the place of this one: of two,
Helm keeps the one that is less deep in folders, and of a chart that is not enabled it reads none. So the one switch is
`edge.enabled`.
*/}}
{{- define "smart-grid.hasEdge" -}}
{{- end -}}
