import type { PipelineDraft } from './pipeline-draft.ts'
import { baseName, jsonObjectOf, type ProjectFile } from './project-files.ts'

/** A connector as its file has it. */
interface FoundConnector {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  /** The text of its file, or of the part of a script that holds it. */
  readonly text: string
  readonly where: string
}

/**
 * Takes over connectors: JSON files as they are, and what scripts post from within themselves. Options
 * and classes are looked at when the pipeline starts, by the worker.
 */
export function takeConnectors(draft: PipelineDraft, files: readonly ProjectFile[]): void {
  const names = new Set<string>()
  for (const found of files.flatMap(connectorsOf)) {
    const { name, config, text, where } = found
    if (names.has(name)) {
      draft.leftOut(where, `there is a connector ${name} already; the first one counts`)
      continue
    }
    names.add(name)
    const file = `connectors/${name.replace(/[^\w.-]+/g, '-')}.json`
    draft.files.set(file, text.endsWith('\n') ? text : `${text}\n`)
    draft.taken(where, `${file}, unchanged`)
    advise(draft, file, config)
  }
  if (names.size > 0) draft.use('connect')
}

/** What is accepted as it is, and worth a change. */
function advise(draft: PipelineDraft, file: string, config: FoundConnector['config']): void {
  if (!String(config['connector.class']).endsWith('MqttSourceConnector')) return
  if (String(config['mqtt.clean.session.enabled'] ?? 'true') === 'true')
    draft.changed(
      file,
      'advice: messages that come while the connector is away are lost until it says "mqtt.clean.session.enabled": false',
    )
  const transforms = Object.entries(config).filter(([, value]) => /ValueToKey$/.test(String(value)))
  if (transforms.length > 0 && config['mqtt.key.field'] === undefined)
    draft.changed(
      file,
      'advice: its keys are made of the whole payload, so with several partitions the frames of one sensor scatter; "mqtt.key.field": "id" in place of the transforms keeps them together',
    )
}

function connectorsOf(file: ProjectFile): FoundConnector[] {
  const where = file.path
  if (/\.json$/i.test(where)) {
    const found = connectorOf(file.text, where, baseName(file).replace(/\.json$/i, ''))
    return found ? [found] : []
  }
  if (!/\.sh$/i.test(where) || !/\/connectors\b/.test(file.text)) return []
  return [...jsonInScript(file.text)].flatMap(({ text, before }) => {
    const url = [...before.matchAll(/\/connectors\/([\w.-]+)\/config/g)].at(-1)?.[1]
    const found = connectorOf(text, `${where}: what it posts`, url)
    return found ? [found] : []
  })
}

/** `{name, config}`, or the flat form, whose name is that of its file. */
function connectorOf(
  text: string,
  where: string,
  nameOutside: string | undefined,
): FoundConnector | undefined {
  const json = jsonObjectOf(text)
  if (json === undefined) return undefined
  const { name, config } = json as { name?: unknown; config?: unknown }
  const inner = (config ?? json) as Record<string, unknown>
  if (typeof inner !== 'object' || typeof inner['connector.class'] !== 'string') return undefined
  const known = typeof name === 'string' ? name : nameOutside
  return known === undefined ? undefined : { name: known, config: inner, text, where }
}

/** JSON objects between single quotes or in here-documents, with what stands before them. */
function* jsonInScript(text: string): Generator<{ text: string; before: string }> {
  for (const match of text.matchAll(
    /'(\s*\{[^']*\}\s*)'|<<-?\s*['"]?(\w+)['"]?[^\n]*\n([\s\S]*?)\n\s*\2\s*$/gm,
  ))
    yield {
      text: (match[1] ?? match[3] ?? '').trim(),
      before: text.slice(Math.max(0, match.index - 500), match.index),
    }
}
