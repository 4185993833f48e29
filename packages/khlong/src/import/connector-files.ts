import { type ComposeService, readVariables } from './compose-file.ts'
import type { PipelineDraft } from './pipeline-draft.ts'
import { baseName, jsonObjectOf, type ProjectFile } from './project-files.ts'
import { readScript } from './script-commands.ts'

/** A connector as its file has it. */
interface FoundConnector {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  /** The text of its file, or of the part of a script that holds it. */
  readonly text: string
  readonly where: string
  /** Whether a script's variables stood in it. */
  readonly isFilled: boolean
}

/** What a script gives to Connect's REST API. */
interface Post {
  readonly where: string
  /** The connector that the address names. */
  readonly name: string | undefined
  /** The text that is sent, or the file that holds it. */
  readonly text: string | undefined
  /** Whether variables stood in it. */
  readonly isFilled: boolean
  readonly file: string | undefined
}

/**
 * Takes over connectors: JSON files as they are, and what scripts and commands of containers post. Options
 * and classes are looked at when the pipeline starts, by the worker.
 */
export function takeConnectors(
  draft: PipelineDraft,
  files: readonly ProjectFile[],
  services: readonly ComposeService[],
): void {
  const names = new Set<string>()
  const scripts = [
    ...files.filter(({ path }) => /\.sh$/i.test(path)),
    ...services.map(({ name, script }) => ({ path: `service ${name}`, text: script })),
  ]
  const posts = scripts.flatMap((script) => postsOf(script, files))
  // A file that holds the settings alone has the name by which a script posts it.
  const namesByFile = new Map(
    posts.flatMap(({ file, name }) => (file && name ? [[lastOf(file), name] as const] : [])),
  )
  const found = [
    ...files.flatMap((file) => {
      const name = namesByFile.get(baseName(file)) ?? baseName(file).replace(/\.json$/i, '')
      return /\.json$/i.test(file.path) ? connectorOf(file.text, file.path, name) : []
    }),
    ...posts.flatMap((post) => postedConnector(draft, post)),
  ]
  for (const { name, config, text, where, isFilled } of found) {
    if (names.has(name)) {
      draft.leftOut(where, `there is a connector ${name} already; the first one counts`)
      continue
    }
    names.add(name)
    const file = `connectors/${name.replace(/[^\w.-]+/g, '-')}.json`
    draft.files.set(file, text.endsWith('\n') ? text : `${text}\n`)
    const unknown = isFilled ? [...text.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]!) : []
    if (unknown.length > 0)
      draft.changed(
        where,
        `${file}; put in what the project does not say: ${[...new Set(unknown)].join(', ')}`,
      )
    else
      draft.taken(where, isFilled ? `${file}, with its variables filled in` : `${file}, unchanged`)
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

/** What a script posts of its own; what is a file of the project is taken with the files. */
function postedConnector(
  draft: PipelineDraft,
  { where, name, text, isFilled }: Post,
): FoundConnector[] {
  if (text === undefined) return []
  const found = connectorOf(text, where, name, isFilled)
  if (found.length === 0 && /connector\.class/.test(text))
    draft.leftOut(where, 'a connector that is no JSON as it stands: put it into connectors/')
  return found
}

/** What a script posts, its variables filled in by what it sets itself, and by the project's `.env`. */
function postsOf({ path, text: script }: ProjectFile, files: readonly ProjectFile[]): Post[] {
  const variables: Record<string, string> = {}
  for (const file of files)
    if (baseName(file) === '.env') Object.assign(variables, readVariables(file.text))
  const where = `${path}: what it posts`
  return readScript(script, (name) => variables[name]).flatMap(({ words, documents }): Post[] => {
    const named = words.flatMap((word) => ofFile.exec(word)?.[1] ?? [])
    const name = words
      .filter((word) => !ofFile.test(word))
      .map((word) => /\/connectors\/([^/?]+)\/config/.exec(word)?.[1])
      .find(Boolean)
    const texts = [...words, ...documents].filter((text) => /^\s*\{/.test(text))
    return [
      ...texts.map((text): Post => {
        const isFilled = !script.includes(text)
        return { where, name, text: text.trim(), isFilled, file: undefined }
      }),
      ...named.map((file): Post => ({ where, name, text: undefined, isFilled: false, file })),
    ]
  })
}

/** A file that curl is to send. */
const ofFile = /^(?:-d|--data(?:-\w+)?=?)?@(.+)$/
const lastOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** `{name, config}`, or the flat form, whose name is said outside of it; nothing where it is none. */
function connectorOf(
  text: string,
  where: string,
  nameOutside: string | undefined,
  isFilled = false,
): FoundConnector[] {
  const json = jsonObjectOf(text)
  if (json === undefined) return []
  const { name, config } = json as { name?: unknown; config?: unknown }
  const inner = (config ?? json) as Record<string, unknown>
  if (typeof inner !== 'object' || typeof inner['connector.class'] !== 'string') return []
  const known = typeof name === 'string' ? name : nameOutside
  return known === undefined ? [] : [{ name: known, config: inner, text, where, isFilled }]
}
