{{- define "connector.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "connector.selector" -}}
app.kubernetes.io/name: azure-partner-connector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "connector.labels" -}}
{{ include "connector.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "connector.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The container, without what differs between the replicas and the job. */}}
{{- define "connector.container" -}}
image: {{ include "connector.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: config, mountPath: /etc/connector, readOnly: true}
  - {name: secrets, mountPath: /run/secrets/connector, readOnly: true}
  - {name: tmp, mountPath: /tmp}
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{- define "connector.environment" -}}
- {name: CONNECTOR_CONFIG, value: /etc/connector/connector.yaml}
- {name: GOMEMLIMIT, value: {{ .Values.memoryLimit | quote }}}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "connector.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    {{- /* The job runs before the other objects of the release exist, so it has a copy of its own. */}}
    configMap: {name: {{ .config }}}
  - name: secrets
    secret: {secretName: {{ required "existingSecret: name the secret that has the key file and the DSN" .Values.existingSecret }}, defaultMode: 0440}
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- end }}

{{/* Renders nothing. A listener for clients without these does not start. */}}
{{- define "connector.borrowing" -}}
{{- $of := get .config .name | default dict }}
{{- if or (empty $of.publicURL) (and (empty $of.trustedProxies) (empty (dig "tls" "certFile" "" $of))) }}
{{- fail (printf "services.%s: enter publicURL, and trustedProxies or tls, in config.%s" .name .name) }}
{{- end }}
{{- end }}
