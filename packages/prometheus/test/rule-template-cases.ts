/**
 * Texts of annotations with what comes of them for `value` 40 and labels `instance`
 * host.example.org:9100 and `sensor` 1; `promtool test rules` says the same.
 */
export const ruleTemplateCases: readonly (readonly [string, string])[] = [
  ['{{ $labels.sensor }} is {{ $value }}', '1 is 40'],
  ['{{ .Labels.sensor }}{{ .Value }}', '140'],
  ['{{ $labels.nothing }}|', '|'],
  ['{{ $externalLabels.site }} {{ $externalURL }}', 'north http://prometheus:9090/base'],
  ['{{ if gt $value 30.0 }}hot{{ else }}cold{{ end }}', 'hot'],
  ['{{ if and (gt $value 30.0) (eq $labels.sensor "1") }}yes{{ end }}', 'yes'],
  [
    '{{ range $name, $text := $labels }}{{ $name }}={{ $text }};{{ end }}',
    'instance=host.example.org:9100;sensor=1;',
  ],
  [
    '{{ with $labels.sensor }}<{{ . }}>{{ end }}{{ with $labels.nothing }}x{{ else }}none{{ end }}',
    '<1>none',
  ],
  ['{{ $value | printf "%.2f" }} {{ printf "%5.1f|%-6s|%d" 1.25 "ab" 3 }}', '40.00   1.2|ab    |3'],
  ['{{ $labels.sensor | toUpper | title }}', '1'],
  ['{{ "hot place" | title }} {{ "a.b" | reReplaceAll "(.)\\\\.(.)" "$2-$1" }}', 'Hot Place b-a'],
  [
    '{{ $labels.instance | stripPort }} {{ $labels.instance | stripDomain }}',
    'host.example.org host:9100',
  ],
  [
    '{{ 1234567.0 | humanize }} {{ 0.00123 | humanize }} {{ 2048.0 | humanize1024 }}',
    '1.235M 1.23m 2ki',
  ],
  [
    '{{ 0.1234 | humanizePercentage }} {{ 93784.0 | humanizeDuration }} {{ 0.25 | humanizeDuration }}',
    '12.34% 1d 2h 3m 4s 250ms',
  ],
  ['{{ 1435065584.128 | humanizeTimestamp }}', '2015-06-23 13:19:44.128 +0000 UTC'],
  ['{{ match "h.st" $labels.instance }} {{ $externalURL }}', 'true http://prometheus:9090/base'],
  ['{{ graphLink "up == 1" }}', '/graph?g0.expr=up+%3D%3D+1&g0.tab=0'],
  ['{{ $x := 2 }}{{ $x = 3 }}{{ $x }}{{- /* gone */ -}} !', '3!'],
  ['{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" $labels.sensor }}', '[1]'],
  [
    '{{ (args 1 "b").arg1 }} {{ len "abc" }} {{ index $labels "sensor" }} {{ slice "abcd" 1 3 }}',
    'b 3 1 bc',
  ],
  ['{{ 1e21 }} {{ 0.00001 }} {{ 5 }} {{ true }}', '1e+21 1e-05 5 true'],
]
