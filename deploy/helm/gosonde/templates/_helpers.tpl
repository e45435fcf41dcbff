{{/* Names begin with the release's; a release that is called gosonde is not called so twice. */}}
{{- define "gosonde.name" -}}
{{- if contains "gosonde" .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-gosonde" .Release.Name }}{{ end }}
{{- end }}

{{/* Which pods: (dict "root" $ "component" NAME). These never change. */}}
{{- define "gosonde.selector" -}}
app.kubernetes.io/name: gosonde
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of every object: (dict "root" $ "component" NAME). */}}
{{- define "gosonde.labels" -}}
{{ include "gosonde.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* What stands above the spec of every object: (dict "root" $ "component" NAME "suffix" SUFFIX). */}}
{{- define "gosonde.metadata" -}}
name: {{ include "gosonde.name" .root }}-{{ .suffix | default .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "gosonde.labels" . | nindent 2 }}
{{- end }}

{{- define "gosonde.image" -}}
{{ printf "%s/gosonde-%s:%s" .root.Values.images.registry .component (.root.Values.images.tag | default .root.Chart.AppVersion) }}
{{- end }}

{{/* The secret with the certificate of a component. */}}
{{- define "gosonde.secret" -}}
{{- $tls := .root.Values.tls -}}
{{- if eq $tls.source "cert-manager" -}}
{{ include "gosonde.name" .root }}-{{ .component }}-tls
{{- else -}}
{{ required (printf "tls.secrets.%s: missing; with tls.source secrets, name a secret with tls.crt, tls.key and ca.crt" .component) (get $tls.secrets .component) }}
{{- end -}}
{{- end }}

{{/* Where /metrics, /healthz and /readyz are; beyond the pod only for metrics, which have no password. */}}
{{- define "gosonde.http" -}}
{{- if .Values.metrics.podMonitor }}0.0.0.0{{ else }}127.0.0.1{{ end }}:9320
{{- end }}

{{/* The processors for which there are images. */}}
{{- define "gosonde.affinity" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - {key: kubernetes.io/arch, operator: In, values: [amd64, arm64]}
{{- end }}

{{- define "gosonde.agent.toml" -}}
{{- $collector := printf "%s-collector.%s.svc:9317" (include "gosonde.name" .) .Release.Namespace -}}
{{- $own := dict "collector" (list $collector) "http" (include "gosonde.http" .) "insecure" .Values.metrics.podMonitor
  "tls_ca" "/etc/gosonde/tls/ca.crt" "tls_cert" "/etc/gosonde/tls/tls.crt" "tls_key" "/etc/gosonde/tls/tls.key" -}}
{{- if .Values.agent.cri }}{{ $_ := set $own "cri" (printf "unix:/run/cri/%s" (base .Values.agent.cri)) }}{{ end -}}
{{- if .Values.agent.kubelet.enabled }}{{ $_ := merge $own (dict "kubelet_token" "/run/kubelet/token" "kubelet_ca" "/run/kubelet/ca.crt") }}{{ end -}}
{{ merge $own .Values.agent.config | toToml }}
{{- end }}

{{- define "gosonde.collector.toml" -}}
{{- $own := dict "listen" "0.0.0.0:9317" "query_listen" "0.0.0.0:9318" "web" "0.0.0.0:9319"
  "http" (include "gosonde.http" .) "insecure" .Values.metrics.podMonitor "tokens" "/etc/gosonde/tokens"
  "tls_client_ca" "/etc/gosonde/tls/ca.crt" "tls_cert" "/etc/gosonde/tls/tls.crt" "tls_key" "/etc/gosonde/tls/tls.key" -}}
{{ merge $own .Values.collector.config | toToml }}
{{- end }}

{{/* Asks the service itself, from within the pod: (dict "path" PATH). Bash alone, for a Python would take more than the agent. */}}
{{- define "gosonde.probe" -}}
exec:
  command:
    - bash
    - -c
    - exec 3<>/dev/tcp/127.0.0.1/9320 && printf 'GET {{ . }} HTTP/1.0\r\n\r\n' >&3 && read -r answer <&3 && [[ $answer = *' 200 '* ]]
timeoutSeconds: 10
{{- end }}

{{/* Health of a container, for agent and collector alike. */}}
{{- define "gosonde.probes" -}}
startupProbe:
  {{- include "gosonde.probe" "/healthz" | nindent 2 }}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  {{- include "gosonde.probe" "/healthz" | nindent 2 }}
  periodSeconds: 30
readinessProbe:
  {{- include "gosonde.probe" "/readyz" | nindent 2 }}
  periodSeconds: 15
{{- end }}

{{/* The volume at /etc/gosonde: configuration, certificate and what else: (dict "root" $ "component" NAME "mode" MODE). */}}
{{- define "gosonde.etc" -}}
name: etc
projected:
  defaultMode: {{ .mode }}
  sources:
    - configMap:
        name: {{ include "gosonde.name" .root }}-{{ .component }}
    - secret:
        name: {{ include "gosonde.secret" . }}
        items:
          - {key: ca.crt, path: tls/ca.crt}
          - {key: tls.crt, path: tls/tls.crt}
          - {key: tls.key, path: tls/tls.key}
{{- end }}
