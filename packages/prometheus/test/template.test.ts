import assert from 'node:assert/strict'
import test from 'node:test'
import { Labels } from '../src/labels.ts'
import { fillTemplate, templateProblem } from '../src/rules/template.ts'
import { TemplateSet } from '../src/template/template.ts'
import { textFunctions } from '../src/template/text-functions.ts'
import { formatTime } from '../src/template/time.ts'
import { TemplateList, TemplateObject } from '../src/template/value.ts'
import { ruleTemplateCases } from './rule-template-cases.ts'

const fill = (text: string, value = 40, query = async () => [] as never): Promise<string> =>
  fillTemplate(text, {
    labels: { instance: 'host.example.org:9100', sensor: '1' },
    value,
    externalLabels: { site: 'north' },
    externalUrl: 'http://prometheus:9090/base',
    query,
  })

test('templates of rules give what Prometheus gives', async () => {
  for (const [text, expected] of ruleTemplateCases) assert.equal(await fill(text), expected, text)
})

test('a template may ask queries, and ranges over what they answer', async () => {
  const vector = ['a', 'b'].map((place, index) => ({
    labels: Labels.from({ place }),
    value: index + 1,
  }))
  const answer = async () => vector as never
  assert.equal(
    await fill(
      '{{ range query "up" | sortByLabel "place" }}{{ .Labels.place }}:{{ . | value }} {{ end }}',
      1,
      answer,
    ),
    'a:1 b:2 ',
  )
  assert.equal(await fill('{{ query "up" | first | label "place" }}', 1, answer), 'a')
})

test('a template that fails says why in the text; one that cannot be read is refused', async () => {
  assert.match(
    await fill('{{ query "up" | first }}'),
    /^<error expanding template: first\(\) called on vector/,
  )
  assert.match(await fill('{{ .Nothing }}'), /can't evaluate field Nothing in type template data/)
  assert.equal(templateProblem('{{ $labels.x | humanize }}'), undefined)
  assert.match(
    templateProblem('{{ $labels.x | tmpl }}') ?? '',
    /function tmpl is not supported yet/,
  )
  assert.match(
    templateProblem('a\n{{ if 1 }}') ?? '',
    /template: rule:2: \{\{if\}\} without \{\{end\}\}/,
  )
  assert.match(templateProblem('{{ .x ? }}') ?? '', /unexpected "\?" in action/)
})

test('a template can neither loop without end nor grow without end nor reach JavaScript', async () => {
  assert.match(
    await fill('{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}'),
    /too deeply/,
  )
  assert.match(
    await fill('{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}'),
    /too many steps|too long/,
  )
  assert.match(await fill('{{ printf "%1000s" "x" | len }}'), /^1000$/)
  assert.equal(await fill('{{ $labels.constructor }}{{ $labels.__proto__ }}'), '')
  assert.match(
    await fill('{{ $labels.sensor.constructor }}'),
    /can't evaluate field constructor in string/,
  )
  assert.match(await fill('{{ "a".length }}'), /unexpected|bad|can't/)
})

test('lists have methods, and HTML is escaped where it is asked for', () => {
  const set = new TemplateSet(textFunctions)
  const data = new TemplateObject('data', {
    Items: new TemplateList(['<b>', 'c'], { First: () => '<x>' }),
  })
  assert.equal(
    set.fill('{{ .Items.First }}{{ range .Items }}{{ . }}{{ break }}{{ end }}', data, {
      isHtml: true,
    }),
    '&lt;x&gt;&lt;b&gt;',
  )
  assert.equal(set.fill('{{ "<i>" | safeHtml }}', data, { isHtml: true }), '<i>')
})

test("times are written by Go's layouts in any zone", () => {
  const timeMs = Date.parse('2026-01-02T03:04:05.060Z')
  assert.equal(formatTime(timeMs, 'Mon Jan _2 15:04:05 MST 2006'), 'Fri Jan  2 03:04:05 UTC 2026')
  assert.equal(
    formatTime(timeMs, '2006-01-02T15:04:05.000Z07:00', 'Asia/Bangkok'),
    '2026-01-02T10:04:05.060+07:00',
  )
  assert.equal(formatTime(timeMs, 'Monday, 2 January 06 3:04 PM'), 'Friday, 2 January 26 3:04 AM')
})
