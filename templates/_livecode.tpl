{{/*
For development: the program runs from a volume that `skaffold dev` can write to, and starts again when a file there has
changed. A volume, since the root file system is read-only, and would be reset with the container; and a parent process,
since a container that ends often is restarted ever more slowly.
*/}}
{{- define "smart-grid.liveCode.copy" -}}
import shutil, smartgrid
shutil.copytree(smartgrid.__path__[0], "/code/smartgrid", dirs_exist_ok=True)
{{- end -}}

{{- define "smart-grid.liveCode.run" -}}
import pathlib, signal, subprocess, sys, time
FOLDER, COMMAND = pathlib.Path(sys.argv[1]), sys.argv[2:]
ending = False
def changed_at(): return max((file.stat().st_mtime_ns for file in FOLDER.rglob("*.py")), default=0)
def end(*_):
    global ending
    ending = True
signal.signal(signal.SIGTERM, end)
while not ending:
    seen, child = changed_at(), subprocess.Popen(COMMAND)
    # A program that ended by itself, say by a syntax error, waits for the next change too.
    while not ending and changed_at() == seen:
        time.sleep(0.3)
    child.terminate()
    child.wait()
{{- end -}}

{{- define "smart-grid.liveCode.initContainer" -}}
initContainers:
  - name: copy-code
    {{- include "smart-grid.containerFields" . | nindent 4 }}
    command: [python3, -c, {{ include "smart-grid.liveCode.copy" . | toJson }}]
    volumeMounts:
      - name: code
        mountPath: /code
{{- end -}}
