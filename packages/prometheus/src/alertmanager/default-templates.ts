/** What a person reads where the configuration has no text of its own. Names are Alertmanager's. */
export const defaultTemplates: Readonly<Record<string, string>> = {
  default: `
{{- define "__alertmanager" }}Alertmanager{{ end }}
{{- define "__alertmanagerURL" }}{{ .ExternalURL }}/#/alerts?receiver={{ .Receiver | urlquery }}{{ end }}
{{- define "__subject" }}[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] {{ .GroupLabels.SortedPairs.Values | join " " }} {{ if gt (len .CommonLabels) (len .GroupLabels) }}({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join " " }}{{ end }}){{ end }}{{ end }}
{{- define "__what" }}{{ with .Annotations.summary }}{{ . }}{{ else }}{{ .Labels.SortedPairs.Values | join " " }}{{ end }}{{ end }}
{{- define "__text_alert_list" }}{{ range . }}- {{ template "__what" . }}{{ with .Annotations.description }}
  {{ . }}{{ end }}
{{ end }}{{ end }}
{{- define "__text" }}{{ with .Alerts.Firing }}Something is wrong:
{{ template "__text_alert_list" . }}{{ end }}{{ with .Alerts.Resolved }}Well again:
{{ template "__text_alert_list" . }}{{ end }}{{ end }}
{{- define "email.default.subject" }}{{ template "__subject" . }}{{ end }}
{{- define "email.default.text" }}{{ template "__text" . }}{{ end }}
{{- define "__html_alerts" }}<ul>{{ range . }}<li><b>{{ template "__what" . }}</b>{{ with .Annotations.description }}<br>{{ . }}{{ end }}<br><small>{{ range .Labels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}· since {{ .StartsAt.Format "2006-01-02 15:04:05 MST" }}</small></li>{{ end }}</ul>{{ end }}
{{- define "email.default.html" }}<!doctype html><html><body style="font-family:sans-serif">{{ with .Alerts.Firing }}<h2 style="color:#b3261e">Something is wrong</h2>{{ template "__html_alerts" . }}{{ end }}{{ with .Alerts.Resolved }}<h2 style="color:#1e7a3c">Well again</h2>{{ template "__html_alerts" . }}{{ end }}</body></html>{{ end }}
{{- define "telegram.default.message" }}{{ template "__text" . }}{{ end }}
{{- define "discord.default.title" }}{{ template "__subject" . }}{{ end }}
{{- define "discord.default.message" }}{{ template "__text" . }}{{ end }}
{{- define "line.default.message" }}{{ template "__text" . }}{{ end }}`,
}
