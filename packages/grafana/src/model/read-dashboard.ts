import type { Dashboard, Variable, VariableOption } from './dashboard.ts'
import { isTrue, type Json, listOf, numberOf, objectOf, textOf } from './json-access.ts'
import { readPanels } from './read-panel.ts'
import { parseDuration } from './time-range.ts'

/**
 * Reads Grafana dashboard JSON of the classic schema, versions 12 to 41: with `rows` and `span`,
 * with `graph` and `singlestat`, with data sources by name. What is not known keeps its place.
 */
export function readDashboard(json: unknown): Dashboard {
  const root = objectOf(json)
  const time = objectOf(root.time)
  const translations = objectOf(objectOf(root.khlong).translations)
  return {
    uid: textOf(root.uid),
    title: textOf(root.title, 'Dashboard'),
    description: textOf(root.description),
    tags: listOf(root.tags).map((tag) => textOf(tag)),
    schemaVersion: numberOf(root.schemaVersion) ?? 0,
    time: { from: textOf(time.from, 'now-6h'), to: textOf(time.to, 'now') },
    refreshMs: parseDuration(textOf(root.refresh)) ?? 0,
    variables: listOf(objectOf(root.templating).list).map((each) => readVariable(objectOf(each))),
    panels: readPanels(root),
    translations: Object.fromEntries(
      Object.entries(translations).map(([language, texts]) => [
        language,
        Object.fromEntries(
          Object.entries(objectOf(texts)).map(([text, translated]) => [text, textOf(translated)]),
        ),
      ]),
    ),
  }
}

const variableKinds = ['query', 'custom', 'constant', 'textbox', 'interval', 'datasource', 'adhoc']

function readVariable(json: Json): Variable {
  const kind = variableKinds.includes(textOf(json.type)) ? textOf(json.type) : 'custom'
  const query = objectOf(json.query)
  const text = textOf(json.query) || textOf(query.query) || textOf(json.definition)
  const current = objectOf(json.current)
  return {
    name: textOf(json.name),
    label: textOf(json.label) || textOf(json.name),
    kind: kind as Variable['kind'],
    query: text,
    regex: textOf(json.regex),
    datasource: json.datasource,
    multiple: isTrue(json.multi),
    includeAll: isTrue(json.includeAll),
    allValue: textOf(json.allValue),
    hidden: json.hide === 2 || json.hide === 'hideVariable' || kind === 'constant',
    current: Array.isArray(current.value)
      ? current.value.map((value) => textOf(value))
      : [textOf(current.value)].filter((value) => value !== ''),
    options:
      kind === 'custom' || kind === 'interval'
        ? readCustomOptions(text)
        : kind === 'constant' || kind === 'textbox'
          ? [{ text, value: text }]
          : [],
  }
}

/** `a, b : 1, c` as Grafana writes custom values: text and value where they differ. */
export function readCustomOptions(text: string): VariableOption[] {
  return (text.match(/(?:\\,|[^,])+/g) ?? [])
    .map((part) => part.replaceAll('\\,', ',').trim())
    .filter((part) => part !== '')
    .map((part) => {
      const named = /^(.+?)\s:\s(.+)$/.exec(part)
      return named
        ? { text: named[1]!.trim(), value: named[2]!.trim() }
        : { text: part, value: part }
    })
}
